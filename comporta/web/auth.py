"""The gate before all routes: who asks, and may they? What is not named here as open is closed."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlencode

from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from comporta.web.access import Access
from comporta.web.attempts import Attempts
from comporta.web.csrf import is_our_own
from comporta.web.pages.errors import error_page, wants_html
from comporta.web.problems import problem
from comporta.web.rooted import path_below_root
from comporta.web.session import SessionCookie
from comporta.web.strangers import LOGIN, LOGOUT, LOOKS, to_nobody
from control.auth.tokens import holder_of
from control.auth.who import Who

__all__ = ["Gate"]

# What watches over the process, the way in and out, and what the login page shows and asks for.
_OPEN = frozenset({"/healthz", "/readyz", "/metrics", LOGIN, LOGOUT, "/preferences"})
_OPEN_BELOW = "/static/"

Ask = Callable[[], Who | None]


class _Caller(NamedTuple):
    who: Who
    again: Ask
    by_cookie: bool


class Gate:
    """Lets through who has shown a token or a session, and may do what they ask."""

    def __init__(self, app: ASGIApp, access: Access, cookie: SessionCookie, attempts: Attempts) -> None:
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
            answer = to_nobody(connection, path) if caller is None else self._refused(connection, caller)
        if answer is not None or caller is None:
            await (answer or to_nobody(connection, path))(scope, receive, send)
            return
        scope.setdefault("state", {})["who"] = caller.who
        await self._app(scope, receive, _While(caller.again, send))

    def _caller(self, connection: HTTPConnection) -> _Caller | None:
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return _asked(lambda: self._by_token(token.strip()), by_cookie=False)
        value = self._cookie.read(connection)
        return None if value is None else _asked(lambda: self._access.sessions.who(value), by_cookie=True)

    def _by_token(self, token: str) -> Who | None:
        holder = holder_of(token, self._access.registry.holders())
        return None if holder is None else holder.who

    def _refused(self, connection: HTTPConnection, caller: _Caller) -> Response | None:
        if connection.scope["method"] in LOOKS:
            return None
        if caller.by_cookie and not is_our_own(connection, self._access.place.origin):
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
        holder = None if self._attempts.seconds_to_wait(address) else holder_of(token, self._access.registry.holders())
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


def _only_looks(connection: HTTPConnection, who: Who) -> Response:
    sentence, request = f"{who.name} is a viewer and may only look; this takes an operator", Request(connection.scope)
    # The page's script shows the sentence of a problem itself.
    if wants_html(request) and "hx-request" not in request.headers:
        return error_page(request, 403, sentence)
    return problem(403, sentence)


def _asked(ask: Ask, *, by_cookie: bool) -> _Caller | None:
    who = ask()
    return None if who is None else _Caller(who, ask, by_cookie)
