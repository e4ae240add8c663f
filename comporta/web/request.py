"""Reads a request's body, no further than a limit."""

from __future__ import annotations

from fastapi import HTTPException, Request
from starlette.requests import ClientDisconnect, HTTPConnection

from control.auth.tokens import LOCAL, Identity, Role
from rules.actions import AuditContext

__all__ = ["LOCAL", "Identity", "Role", "identity_of", "media_type", "read_body"]


def media_type(request: Request) -> str:
    """The content type without its parameters, in small letters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_body(request: Request, limit: int, what: str) -> bytes:
    """The body; answers 413 as soon as it is longer than `limit` bytes."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise HTTPException(413, f"{what} has at most {limit} bytes")
    except ClientDisconnect:
        # Nobody reads this answer; as an exception it would be a traceback in the log.
        raise HTTPException(400, "the request ended before its body") from None
    return bytes(body)


def identity_of(connection: HTTPConnection) -> Identity:
    """Who asks; a request that came past the gate without being asked is a fault of ours, and gets nothing."""
    who: Identity = connection.scope["state"]["who"]
    return who


def audit_context(connection: HTTPConnection, reason: str | None = None) -> AuditContext:
    """Who asks over HTTP, as the gate has found out."""
    name = identity_of(connection).name
    return AuditContext(name, "http", reason, name)
