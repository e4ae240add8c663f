"""The way in for people: a token in a form, a session in a cookie; and the way out."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from comporta.web.access import Access
from comporta.web.csrf import is_same_origin
from comporta.web.pages.preferences import safe_next
from comporta.web.pages.rendering import address, render_bare
from comporta.web.request import read_body
from comporta.web.session import LOGIN, LOGOUT, LoginLimiter, SessionCookie
from control.auth.tokens import authenticate

__all__ = ["login_router"]

_LONGEST_FORM = 16 * 1024
Next = Annotated[str, Query(alias="next")]


def login_router(access: Access, cookie: SessionCookie, attempts: LoginLimiter) -> APIRouter:
    """The doors in and out."""
    router = APIRouter(include_in_schema=False)
    doors = _LoginPages(access, cookie, attempts)
    router.add_api_route(LOGIN, doors.ask, methods=["GET", "HEAD"], name="login form")
    router.add_api_route(LOGIN, doors.come_in, methods=["POST"], name="login")
    router.add_api_route(LOGOUT, doors.leave, methods=["POST"], name="logout")
    return router


class _LoginPages:
    def __init__(self, access: Access, cookie: SessionCookie, attempts: LoginLimiter) -> None:
        self._access = access
        self._cookie = cookie
        self._attempts = attempts

    def ask(self, request: Request, wanted: Next = "/", error: str = "") -> Response:
        """The form; who is in already goes on."""
        value = self._cookie.read(request)
        if value is not None and self._access.sessions.who(value) is not None:
            return RedirectResponse(address(request, safe_next(wanted)), 303)
        return self._form(request, wanted, error="link" if error == "link" else None)

    async def come_in(self, request: Request) -> Response:
        """Checks the token; 401 and the form again if nobody holds it, 429 after too many tries."""
        form = parse_qs((await read_body(request, _LONGEST_FORM, "a login")).decode(errors="replace"))
        wanted, token = form.get("next", ["/"])[0], form.get("token", [""])[0].strip()
        if not is_same_origin(request, self._access.public_url.origin):
            return self._form(request, wanted, 403, error="elsewhere")
        client = request.client.host if request.client else ""
        if seconds := self._attempts.seconds_to_wait(client):
            return self._form(request, wanted, 429, error="limited", retry_after=seconds)
        holder = authenticate(token, self._access.registry.holders())
        if holder is None:
            self._attempts.failed(client)
            return self._form(request, wanted, 401, error="unknown")
        answer = RedirectResponse(address(request, safe_next(wanted)), 303)
        self._cookie.put(request, answer, self._access.sessions.issue(holder))
        return answer

    def leave(self, request: Request) -> Response:
        """Ends the session, wherever else its cookie may be."""
        answer = RedirectResponse(address(request, LOGIN), 303)
        value = self._cookie.read(request)
        if value is not None and is_same_origin(request, self._access.public_url.origin):
            self._access.sessions.end(value)
            self._cookie.clear(request, answer)
        return answer

    def _form(
        self,
        request: Request,
        wanted: str,
        status: int = 200,
        *,
        error: str | None = None,
        retry_after: int | None = None,
    ) -> Response:
        answer = render_bare(
            request,
            "login.html",
            status,
            next=safe_next(wanted),
            error=error,
            retry_after=retry_after,
            with_link=self._access.token is not None,
        )
        if retry_after is not None:
            answer.headers["Retry-After"] = str(retry_after)
        return answer
