"""Server-sent events of the live state: `GET /api/events`."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import APIRouter, HTTPException, Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from comporta.web.live import LiveFeed

__all__ = ["stream_router"]

# A comment at this interval lets both sides notice a lost connection; a client that accepts nothing is disconnected.
_PING_SECONDS = 10
_SEND_SECONDS = 20.0
_RETRY_MS = 1_000
_RETRY_AFTER = "10"
_FULL = "as many streams are open as COMPORTA_HTTP_STREAMS allows; try again later, or ask /api/status"


def stream_router(live: LiveFeed) -> APIRouter:
    """Return the route of the stream."""
    router = APIRouter(prefix="/api", tags=["look"])

    @router.get(
        "/events",
        summary="The status and the ledger as they change",
        response_class=EventSourceResponse,
        responses={
            200: {"description": _DESCRIPTION, "content": {"text/event-stream": {"schema": {"type": "string"}}}},
            503: {"description": "As many streams are open as COMPORTA_HTTP_STREAMS allows"},
        },
    )
    async def events() -> Response:
        if live.is_full:
            raise HTTPException(503, _FULL, headers={"Retry-After": _RETRY_AFTER})
        return EventSourceResponse(_events(live), ping=_PING_SECONDS, send_timeout=_SEND_SECONDS)

    return router


async def _events(live: LiveFeed) -> AsyncIterator[ServerSentEvent]:
    async with live.subscribe() as reader:
        async for event in reader:
            yield ServerSentEvent(event.data, event=event.name, id=event.id, retry=_RETRY_MS)


_DESCRIPTION = """\
`status`: the status document. `ledger`: `balance` (as /api/ledger/balance has it) and `last_minute`.
`unavailable`: the database can't be reached, since when and why.
`broker`: whether it can be reached, and if not, since when.
Each is sent on change and at least every 10 s; a slow client gets only the newest of each.
A comment is sent every 10 s. A client that reconnects gets the whole state.
"""
