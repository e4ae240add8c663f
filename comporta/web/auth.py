"""The gate before all routes: who asks, and may they? What is not named here as open is closed."""

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
from comporta.web.pages.errors import error_page, wants_html
from comporta.web.pages.preferences import safe_next
from comporta.web.problems import problem
from comporta.web.session import LOGIN, LOGOUT, LoginLimiter, SessionCookie
from control.auth.tokens import Identity, authenticate

__all__ = ["SAFE_METHODS", "AuthMiddleware", "unauthenticated"]

# What watches over the process, the way in and out, and what the login page shows and asks for.
_OPEN = frozenset({"/healthz", "/readyz", "/metrics", LOGIN, LOGOUT, "/preferences"})
_OPEN_BELOW = "/static/"
# The methods that change nothing.
SAFE_METHODS = frozenset({"GET", "HEAD"})
# What programs call: they get an error, never a page to fill in.
_PROGRAMS = ("/api/", "/events/")
_WHO = {"WWW-Authenticate": 'Bearer realm="comporta"'}
_FROM_ELSEWHERE = frozenset({"cross-site", "same-site"})
_AGAIN = '<!doctype html><title>Comporta</title><meta http-equiv="refresh" content="0; url={address}">'

Ask = Callable[[], Identity | None]


class _Caller(NamedTuple):
    who: Identity
    again: Ask
    by_cookie: bool


class AuthMiddleware:
    """Lets through who has shown a token or a session, and may do what they ask."""

    def __init__(self, app: ASGIApp, access: Access, cookie: SessionCookie, attempts: LoginLimiter) -> None:
        self._app = app
        self._access = access
        self._cookie = cookie
        self._attempts = attempts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands the request on, or answers it."""
        if scope["type"] != "http":
            raise RuntimeError(f"no route of ours speaks {scope['type']}")
        connection, path = HTTPConnection(scope), path_below_root(scope)
        if path in _OPEN or path.startswith(_OPEN_BELOW):
            await self._app(scope, receive, send)
            return
        caller = self._caller(connection)
        answer = self._by_link(connection) if path == "/" else None
        if answer is None:
            answer = unauthenticated(connection, path) if caller is None else self._refused(connection, caller)
        if answer is not None or caller is None:
            await (answer or unauthenticated(connection, path))(scope, receive, send)
            return
        scope.setdefault("state", {})["who"] = caller.who
        await self._app(scope, receive, _While(caller.again, send))

    def _caller(self, connection: HTTPConnection) -> _Caller | None:
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return _asked(lambda: self._by_token(token.strip()), by_cookie=False)
        value = self._cookie.read(connection)
        return None if value is None else _asked(lambda: self._access.sessions.who(value), by_cookie=True)

    def _by_token(self, token: str) -> Identity | None:
        holder = authenticate(token, self._access.registry.holders())
        return None if holder is None else holder.who

    def _refused(self, connection: HTTPConnection, caller: _Caller) -> Response | None:
        if connection.scope["method"] in SAFE_METHODS:
            return None
        if caller.by_cookie and not is_same_origin(connection, self._access.place.origin):
            return problem(403, "this request does not come from a page of ours; programs send a Bearer token")
        if not caller.who.may_act:
            return _only_looks(connection, caller.who)
        return None

    def _by_link(self, connection: HTTPConnection) -> Response | None:
        """Whoever opens the link gets a session, and the address without the token."""
        token = connection.query_params.get("token")
        if token is None or self._access.token is None or connection.scope["method"] != "GET":
            return None
        address = connection.client.host if connection.client else ""
        holder = (
            None if self._attempts.seconds_to_wait(address) else authenticate(token, self._access.registry.holders())
        )
        root = connection.scope.get("root_path", "")
        if holder is None:
            self._attempts.failed(address)
            return RedirectResponse(f"{root}{LOGIN}?error=link", 303)
        rest = urlencode([(name, value) for name, value in connection.query_params.multi_items() if name != "token"])
        answer = RedirectResponse(f"{root}/" + (f"?{rest}" if rest else ""), 303)
        self._cookie.put(connection, answer, self._access.sessions.issue(holder))
        return answer


class _While:
    """Sends as long as the caller may: a stream ends with the session, or with the operator."""

    def __init__(self, again: Ask, send: Send) -> None:
        self._again = again
        self._send = send
        self._over = False

    async def __call__(self, message: Message) -> None:
        if self._over:
            return
        if message["type"] == "http.response.body" and message.get("more_body") and self._again() is None:
            self._over = True
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)


def _only_looks(connection: HTTPConnection, who: Identity) -> Response:
    sentence, request = f"{who.name} is a viewer and may only look; this takes an operator", Request(connection.scope)
    # The page's script shows the sentence of a problem itself.
    if wants_html(request) and "hx-request" not in request.headers:
        return error_page(request, 403, sentence)
    return problem(403, sentence)


def _asked(ask: Ask, *, by_cookie: bool) -> _Caller | None:
    who = ask()
    return None if who is None else _Caller(who, ask, by_cookie)


def unauthenticated(connection: HTTPConnection, path: str) -> Response:
    """The answer to whoever has shown neither a token nor a session that counts."""
    root = connection.scope.get("root_path", "")
    if "hx-request" in connection.headers:
        # A part of a page is asked for: the login must not end up in its place.
        return Response(status_code=401, headers={**_WHO, "HX-Redirect": _login(root, _page_shown(connection, root))})
    if f"{path}/".startswith(_PROGRAMS) or "text/html" not in connection.headers.get("accept", ""):
        return problem(401, "send an operator's token as `Authorization: Bearer …`", headers=_WHO)
    if connection.scope["method"] not in SAFE_METHODS:
        return RedirectResponse(root + LOGIN, 303)
    target = _target(connection, path)
    if connection.headers.get("sec-fetch-site") in _FROM_ELSEWHERE:
        # After a link in a chat the browser holds a strict cookie back, and sends it when a page of ours asks again.
        return HTMLResponse(_AGAIN.format(address=escape(root + target, quote=True)))
    return RedirectResponse(_login(root, target), 303)


def _login(root: str, target: str) -> str:
    return root + LOGIN + ("" if target == "/" else f"?next={quote(target, safe='/')}")


def _page_shown(connection: HTTPConnection, root: str) -> str:
    """The page that asks for a part of itself, as htmx names it."""
    shown = urlsplit(connection.headers.get("hx-current-url", "/"))
    path = shown.path.removeprefix(root)
    return safe_next(path + (f"?{shown.query}" if shown.query else ""))


def _target(connection: HTTPConnection, path: str) -> str:
    query = connection.scope["query_string"].decode("ascii", errors="replace")
    return safe_next(quote(path) + (f"?{query}" if query else ""))
