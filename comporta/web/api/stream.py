"""`GET /api/events`: the state as it changes, as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import APIRouter, Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from comporta.web.live import LiveFeed

__all__ = ["streaming_router"]

# A comment this often, so that either side notices a connection that is lost; a reader that takes nothing is let go.
_PING_SECONDS = 10
_SEND_SECONDS = 20.0
_RETRY_MS = 1_000


def streaming_router(live: LiveFeed) -> APIRouter:
    """The door to the stream."""
    router = APIRouter(prefix="/api", tags=["look"])

    @router.get(
        "/events",
        summary="The status and the ledger as they change",
        response_class=EventSourceResponse,
        responses={200: {"description": _SAYS, "content": {"text/event-stream": {"schema": {"type": "string"}}}}},
    )
    async def events() -> Response:
        return EventSourceResponse(_events(live), ping=_PING_SECONDS, send_timeout=_SEND_SECONDS)

    return router


async def _events(live: LiveFeed) -> AsyncIterator[ServerSentEvent]:
    async with live.subscribe() as reader:
        async for event in reader:
            yield ServerSentEvent(event.data, event=event.name, id=event.id, retry=_RETRY_MS)


_SAYS = """\
`status`: the status document. `ledger`: `balance` (as /api/ledger/balance has it) and `last_minute`.
`unavailable`: the database is away, since when and why. `broker`: whether it can be reached, and if not, since when.
Each is told when it changes, and every 10 s all the same;
a slow reader gets the newest of each. A comment is sent every 10 s. Whoever connects again is told the whole state.
"""
