"""Request helpers: the size-limited body, the media type and the caller's identity."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import HTTPException, Request
from starlette.requests import ClientDisconnect, HTTPConnection

from control.auth.tokens import LOCAL, Identity, Role
from rules.actions import AuditContext

__all__ = ["LOCAL", "Identity", "Role", "identity_of", "media_type", "read_body"]


def media_type(request: Request) -> str:
    """Return the content type in lower case, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_body(
    request: Request, limit: int, subject: str, on_size: Callable[[int], None] = lambda _size: None
) -> bytes:
    """Read the body; raises `HTTPException` 413 as soon as it exceeds `limit` bytes. `subject` begins the sentence.

    `on_size` is called with the size so far, and may refuse the rest.
    """
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            on_size(len(body))
            if len(body) > limit:
                raise HTTPException(413, f"{subject} has at most {limit} bytes")
    except ClientDisconnect:
        # The client is gone and reads no answer; any other exception would put a traceback into the log.
        raise HTTPException(400, "the request ended before its body") from None
    return bytes(body)


def identity_of(connection: HTTPConnection) -> Identity:
    """Return the caller that `AuthMiddleware` authenticated; raises `KeyError` if the request bypassed it."""
    who: Identity = connection.scope["state"]["who"]
    return who


def audit_context(connection: HTTPConnection, reason: str | None = None) -> AuditContext:
    """Return the audit context of a request: the authenticated caller, over HTTP."""
    name = identity_of(connection).name
    return AuditContext(name, "http", reason, name)
