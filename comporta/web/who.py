"""Who asks, as the gate has found out."""

from __future__ import annotations

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from control.auth.who import LOCAL, Role, Who

__all__ = ["LOCAL", "Role", "Who", "as_somebody", "who_of"]


def who_of(connection: HTTPConnection) -> Who:
    """Who asks; a request that came past the gate without being asked is a fault of ours, and gets nothing."""
    who: Who = connection.scope["state"]["who"]
    return who


def as_somebody(app: ASGIApp, who: Who) -> ASGIApp:
    """The application as this one person sees it, without a gate."""

    async def asked(scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["who"] = who
        await app(scope, receive, send)

    return asked
