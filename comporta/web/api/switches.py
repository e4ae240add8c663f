"""Pause and resume over HTTP: a control message in, its reply out."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

import anyio
from fastapi import APIRouter, Header, HTTPException, Request, Response

from comporta.web.request import LOCAL, Identity, identity_of, media_type, read_body
from control.switchboard import Switchboard
from schemas.control import Command, ControlMessage, Reply, parse_control
from schemas.events import CONTENT_TYPES
from schemas.reasons import Refused

__all__ = ["switches_router"]

_STATUS_OF_ERROR = {"invalid": 400, "stale": 409, "expired": 409}
# Threads of its own: those of all other routes may be waiting for the database.
_threads = anyio.CapacityLimiter(4)
_MAX_CONTROL_BODY = 64 * 1024
_REPLIES: dict[int | str, dict[str, Any]] = {
    400: {"model": Reply, "description": "The control message is refused as invalid"},
    409: {"model": Reply, "description": "The control message is refused as stale or expired"},
}
_MESSAGE = {
    "requestBody": {
        "required": True,
        "content": {kind: {"schema": ControlMessage.model_json_schema()} for kind in sorted(CONTENT_TYPES)},
    }
}


def switches_router(switchboard: Switchboard) -> APIRouter:
    """Return the routes that pause and resume."""
    router = APIRouter(prefix="/api", tags=["switch"])

    @router.post("/pause", response_model=Reply, responses=_REPLIES, openapi_extra=_MESSAGE, summary="Switch off")
    async def pause(request: Request, idempotency_key: Annotated[str | None, Header()] = None) -> Response:
        return await _change(switchboard, "pause", request, idempotency_key)

    @router.post("/resume", response_model=Reply, responses=_REPLIES, openapi_extra=_MESSAGE, summary="Switch on")
    async def resume(request: Request, idempotency_key: Annotated[str | None, Header()] = None) -> Response:
        return await _change(switchboard, "resume", request, idempotency_key)

    return router


async def _change(
    switchboard: Switchboard, action: Literal["pause", "resume"], request: Request, message_id: str | None
) -> Response:
    # CSRF: a form on another site can't send JSON.
    if media_type(request) not in CONTENT_TYPES:
        raise HTTPException(415, "send the control message as application/json")
    body = await read_body(request, _MAX_CONTROL_BODY, "a control message")
    execute = partial(_execute, switchboard, action, body, message_id, identity_of(request))
    reply = await anyio.to_thread.run_sync(execute, limiter=_threads)
    code = 200 if reply.error is None else _STATUS_OF_ERROR[reply.error.partition(":")[0]]
    return Response(reply.model_dump_json(), code, media_type="application/json")


def _execute(
    switchboard: Switchboard, action: Literal["pause", "resume"], body: bytes, message_id: str | None, caller: Identity
) -> Reply:
    try:
        message = parse_control(body)
    except Refused as refused:
        error = f"invalid: {refused.refusal}"
        return switchboard.refuse(action, error, source="http", message_id=message_id, user_id=caller.name)
    if caller != LOCAL:
        # The name in the message is free text: the status, the page and the audit show the one that was authenticated.
        message = message.model_copy(update={"by": caller.name})
    return switchboard.change(Command(action, message, "http", message_id, caller.name, message.issued_at))
