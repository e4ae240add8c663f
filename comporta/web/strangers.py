"""What the gate answers: the login to people who have not said who they are, problem details to programs."""

from __future__ import annotations

from html import escape
from urllib.parse import quote, urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, RedirectResponse, Response

from comporta.web.pages.preferences import safe_next
from comporta.web.problems import problem

__all__ = ["LOGIN", "LOGOUT", "LOOKS", "to_nobody"]

LOGIN, LOGOUT = "/login", "/logout"
# The methods that change nothing.
LOOKS = frozenset({"GET", "HEAD"})
# What programs call: they get an error, never a page to fill in.
_PROGRAMS = ("/api/", "/events/")
_WHO = {"WWW-Authenticate": 'Bearer realm="comporta"'}
_FROM_ELSEWHERE = frozenset({"cross-site", "same-site"})
_AGAIN = '<!doctype html><title>Comporta</title><meta http-equiv="refresh" content="0; url={address}">'


def to_nobody(connection: HTTPConnection, path: str) -> Response:
    """The answer to whoever has shown neither a token nor a session that counts."""
    root = connection.scope.get("root_path", "")
    if "hx-request" in connection.headers:
        # A part of a page is asked for: the login must not end up in its place.
        return Response(status_code=401, headers={**_WHO, "HX-Redirect": _login(root, _page_shown(connection, root))})
    if f"{path}/".startswith(_PROGRAMS) or "text/html" not in connection.headers.get("accept", ""):
        return problem(401, "send an operator's token as `Authorization: Bearer …`", headers=_WHO)
    if connection.scope["method"] not in LOOKS:
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
