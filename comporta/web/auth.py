"""Authentication of every request by token or session; routes are closed unless listed here as open."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from comporta.web.access import Access
from comporta.web.csrf import is_same_origin
from comporta.web.middleware import path_below_root
from comporta.web.own_shops import ERP_HOME, is_erp_route
from comporta.web.pages.errors import error_page, wants_html
from comporta.web.pages.preferences import safe_next
from comporta.web.problems import problem
from comporta.web.reasons import REASONS_PATH, WARNINGS_PATH
from comporta.web.session import LOGIN, LOGOUT, LoginLimiter, SessionCookie
from control.auth.tokens import Identity, authenticate

__all__ = ["SAFE_METHODS", "AuthMiddleware", "unauthenticated"]

# Health and metrics, login and logout, what the login page needs, and what the links of refusals lead to.
_OPEN = frozenset({"/healthz", "/readyz", "/metrics", LOGIN, LOGOUT, "/preferences", REASONS_PATH, WARNINGS_PATH})
_OPEN_BELOW = "/static/"
# Methods without side effects (RFC 9110, 9.2.1).
SAFE_METHODS = frozenset({"GET", "HEAD"})
# Routes for programs, which get an error instead of the login form.
_API_PREFIXES = ("/api/", "/events/")
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="comporta"'}
_CROSS_SITE = frozenset({"cross-site", "same-site"})
_RELOAD_PAGE = '<!doctype html><title>Comporta</title><meta http-equiv="refresh" content="0; url={address}">'

Authenticate = Callable[[], Identity | None]


class _Caller(NamedTuple):
    identity: Identity
    authenticate: Authenticate
    by_cookie: bool


class AuthMiddleware:
    """Middleware that passes on requests with a valid token or session whose role allows the method."""

    def __init__(self, app: ASGIApp, access: Access, cookie: SessionCookie, limiter: LoginLimiter) -> None:
        self._app = app
        self._access = access
        self._cookie = cookie
        self._limiter = limiter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with a login or an error."""
        if scope["type"] != "http":
            raise RuntimeError(f"unsupported ASGI scope type {scope['type']}")
        connection, path = HTTPConnection(scope), path_below_root(scope)
        if path in _OPEN or path.startswith(_OPEN_BELOW):
            await self._app(scope, receive, send)
            return
        caller = self._caller(connection)
        response = self._link_login(connection) if path == "/" else None
        if response is None:
            response = unauthenticated(connection, path) if caller is None else self._forbidden(connection, caller)
        if response is not None or caller is None:
            await (response or unauthenticated(connection, path))(scope, receive, send)
            return
        scope.setdefault("state", {})["who"] = caller.identity
        await self._app(scope, receive, _AuthenticatedSend(caller, send))

    def _caller(self, connection: HTTPConnection) -> _Caller | None:
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            caller = _authenticated(lambda: self._by_token(token.strip()), by_cookie=False)
            if caller is None:
                self._limiter.failures.record("bearer", _address(connection))
            return caller
        value = self._cookie.read(connection)
        return (
            None if value is None else _authenticated(lambda: self._access.sessions.identity_of(value), by_cookie=True)
        )

    def _by_token(self, token: str) -> Identity | None:
        credential = authenticate(token, self._access.registry.credentials())
        return None if credential is None else credential.identity

    def _forbidden(self, connection: HTTPConnection, caller: _Caller) -> Response | None:
        if caller.identity.is_erp:
            return _erp_forbidden(connection, caller)
        if connection.scope["method"] in SAFE_METHODS:
            return None
        if caller.by_cookie and not is_same_origin(connection, self._access.public_url.origin):
            return problem(403, "this request was not sent by a page of Comporta; programs send a Bearer token")
        if not caller.identity.may_act:
            return _viewer_forbidden(connection, caller.identity)
        return None

    def _link_login(self, connection: HTTPConnection) -> Response | None:
        """Start a session for the token of the login link, and redirect to the address without the token."""
        token = connection.query_params.get("token")
        if token is None or self._access.token is None or connection.scope["method"] != "GET":
            return None
        address = _address(connection)
        limited = self._limiter.seconds_to_wait(address, token) > 0
        credential = None if limited else authenticate(token, self._access.registry.credentials())
        root = connection.scope.get("root_path", "")
        if credential is None:
            self._limiter.failed("link", address, token)
            return RedirectResponse(f"{root}{LOGIN}?error=link", 303)
        query = urlencode([(name, value) for name, value in connection.query_params.multi_items() if name != "token"])
        response = RedirectResponse(f"{root}/" + (f"?{query}" if query else ""), 303)
        self._cookie.put(connection, response, self._access.sessions.issue(credential))
        return response


class _AuthenticatedSend:
    """Send channel that ends a stream once its caller's session has ended, or its operator was removed or changed."""

    def __init__(self, caller: _Caller, send: Send) -> None:
        self._caller = caller
        self._send = send
        self._ended = False

    async def __call__(self, message: Message) -> None:
        if self._ended:
            return
        is_part = message["type"] == "http.response.body" and message.get("more_body")
        if is_part and self._caller.authenticate() != self._caller.identity:
            self._ended = True
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)


def _address(connection: HTTPConnection) -> str:
    return connection.client.host if connection.client else ""


def _viewer_forbidden(connection: HTTPConnection, caller: Identity) -> Response:
    return _refused(connection, f"{caller.name} is a viewer; this requires an operator")


def _refused(connection: HTTPConnection, sentence: str) -> Response:
    request = Request(connection.scope)
    # The page's script shows the detail of the problem itself.
    if wants_html(request) and "hx-request" not in request.headers:
        return error_page(request, 403, sentence)
    return problem(403, sentence)


def _erp_forbidden(connection: HTTPConnection, caller: _Caller) -> Response | None:
    method, path = connection.scope["method"], path_below_root(connection.scope)
    if is_erp_route(method, path):
        return None
    if path == "/" and method == "GET" and caller.by_cookie:
        return RedirectResponse(connection.scope.get("root_path", "") + ERP_HOME, 303)
    return _refused(connection, f"{caller.identity.name} has the role erp, which this route is not for")


def _authenticated(authenticate: Authenticate, *, by_cookie: bool) -> _Caller | None:
    identity = authenticate()
    return None if identity is None else _Caller(identity, authenticate, by_cookie)


def unauthenticated(connection: HTTPConnection, path: str) -> Response:
    """Return the response to a request without a valid token or session: 401, or a redirect to the login."""
    root = connection.scope.get("root_path", "")
    if "hx-request" in connection.headers:
        # htmx fetches a part of a page: redirect the whole page, so that the login form does not replace the part.
        return Response(
            status_code=401, headers={**_CHALLENGE, "HX-Redirect": _login(root, _current_page(connection, root))}
        )
    if f"{path}/".startswith(_API_PREFIXES) or "text/html" not in connection.headers.get("accept", ""):
        return problem(401, "send an operator's token as `Authorization: Bearer …`", headers=_CHALLENGE)
    if connection.scope["method"] not in SAFE_METHODS:
        return RedirectResponse(root + LOGIN, 303)
    target = _target(connection, path)
    if connection.headers.get("sec-fetch-site") in _CROSS_SITE:
        # The browser withholds a strict cookie after a link on another site, and sends it when our own page reloads.
        return HTMLResponse(_RELOAD_PAGE.format(address=escape(root + target, quote=True)))
    return RedirectResponse(_login(root, target), 303)


def _login(root: str, target: str) -> str:
    return root + LOGIN + ("" if target == "/" else f"?next={quote(target, safe='/')}")


def _current_page(connection: HTTPConnection, root: str) -> str:
    """Return the page that fetches a part of itself, from the HX-Current-URL header."""
    current = urlsplit(connection.headers.get("hx-current-url", "/"))
    path = current.path.removeprefix(root)
    return safe_next(path + (f"?{current.query}" if current.query else ""))


def _target(connection: HTTPConnection, path: str) -> str:
    query = connection.scope["query_string"].decode("ascii", errors="replace")
    return safe_next(quote(path) + (f"?{query}" if query else ""))
