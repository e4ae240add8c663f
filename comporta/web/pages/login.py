"""Login and logout of people: a token in a form, a session in a cookie."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from comporta.web.access import Access
from comporta.web.csrf import is_same_origin
from comporta.web.pages.preferences import safe_next
from comporta.web.pages.renderer import address, render_bare
from comporta.web.request import read_body
from comporta.web.session import LOGIN, LOGOUT, LoginLimiter, SessionCookie
from control.auth.tokens import authenticate

__all__ = ["login_router"]

_MAX_FORM_BYTES = 16 * 1024
# The errors that a link may name.
_SHOWN = ("link", "ended")
Next = Annotated[str, Query(alias="next")]


def login_router(access: Access, cookie: SessionCookie, limiter: LoginLimiter) -> APIRouter:
    """Return the routes of login and logout."""
    router = APIRouter(include_in_schema=False)
    login_pages = _LoginPages(access, cookie, limiter)
    router.add_api_route(LOGIN, login_pages.form, methods=["GET", "HEAD"], name="login form")
    router.add_api_route(LOGIN, login_pages.login, methods=["POST"], name="login")
    router.add_api_route(LOGOUT, login_pages.logout, methods=["POST"], name="logout")
    return router


class _LoginPages:
    def __init__(self, access: Access, cookie: SessionCookie, limiter: LoginLimiter) -> None:
        self._access = access
        self._cookie = cookie
        self._limiter = limiter

    def form(self, request: Request, target: Next = "/", error: str = "") -> Response:
        """Show the login form; a caller with a session is redirected to the target."""
        value = self._cookie.read(request)
        if value is not None and self._access.sessions.identity_of(value) is not None:
            return RedirectResponse(address(request, safe_next(target)), 303)
        return self._render_form(request, target, error=error if error in _SHOWN else None)

    async def login(self, request: Request) -> Response:
        """Check the token and start a session; otherwise 401 for a wrong token, 429 after too many failures."""
        form = parse_qs((await read_body(request, _MAX_FORM_BYTES, "a login")).decode(errors="replace"))
        target, token = form.get("next", ["/"])[0], form.get("token", [""])[0].strip()
        if not is_same_origin(request, self._access.public_url.origin):
            return self._render_form(request, target, 403, error="elsewhere")
        client = request.client.host if request.client else ""
        if seconds := self._limiter.seconds_to_wait(client, token):
            return self._render_form(request, target, 429, error="limited", retry_after=seconds)
        credential = authenticate(token, self._access.registry.credentials())
        if credential is None:
            self._limiter.failed("form", client, token)
            return self._render_form(request, target, 401, error="unknown")
        response = RedirectResponse(address(request, safe_next(target)), 303)
        self._cookie.put(request, response, self._access.sessions.issue(credential))
        return response

    def logout(self, request: Request) -> Response:
        """End the session for every copy of its cookie, and clear the cookie."""
        response = RedirectResponse(address(request, LOGIN), 303)
        value = self._cookie.read(request)
        if value is not None and is_same_origin(request, self._access.public_url.origin):
            self._access.sessions.end(value)
            self._cookie.clear(request, response)
        return response

    def _render_form(
        self,
        request: Request,
        target: str,
        status: int = 200,
        *,
        error: str | None = None,
        retry_after: int | None = None,
    ) -> Response:
        response = render_bare(
            request,
            "login.html",
            status,
            next=safe_next(target),
            error=error,
            retry_after=retry_after,
            with_link=self._access.token is not None,
        )
        if retry_after is not None:
            response.headers["Retry-After"] = str(retry_after)
        return response
