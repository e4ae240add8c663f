"""Server-sent events of the outcomes as they are committed: `GET /api/tail`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from comporta.web.api.params import Domain, Shop, only_known, quarantine_filter
from comporta.web.export import dump
from comporta.web.live import LiveFeed
from comporta.web.own_shops import owned
from comporta.web.request import identity_of
from rules.outcomes import Outcome
from storage.errors import StorageError
from storage.tail import OutcomeTail, TailPage

__all__ = ["MOST_TAILS", "Watch", "tail_router"]

Watch = Callable[[], OutcomeTail]
Wanted = Callable[[dict[str, Any]], bool]
# Each of them reads the database four times a second.
MOST_TAILS = 10
_POLL_SECONDS, _RETRY_SECONDS = 0.25, 1.0
_PING_SECONDS = 10
_SEND_SECONDS = 20.0
_RETRY_AFTER = "10"
_FULL = f"{MOST_TAILS} of these streams are open already; try again later"
OutcomeQuery = Annotated[Outcome | None, Query(description="Only this outcome.")]


def tail_router(watch: Watch, live: LiveFeed) -> APIRouter:
    """Return the route of the tail; its streams end with those of `live`."""
    router = APIRouter(prefix="/api", tags=["look"], dependencies=[Depends(only_known)])
    tails: set[OutcomeTail] = set()

    @router.get(
        "/tail",
        summary="The outcome of each message as it is committed",
        response_class=EventSourceResponse,
        responses={
            200: {"description": _DESCRIPTION, "content": {"text/event-stream": {"schema": {"type": "string"}}}},
            503: {"description": "As many of these streams are open as are allowed, or the database is unavailable"},
        },
    )
    async def tail(
        request: Request, shop: Shop = None, domain: Domain = None, outcome: OutcomeQuery = None
    ) -> Response:
        quarantine_filter(request, shop, domain)
        if len(tails) >= MOST_TAILS:
            raise HTTPException(503, _FULL, headers={"Retry-After": _RETRY_AFTER})
        filters = {name: value for name, value in (("shop", shop), ("domain", domain), ("outcome", outcome)) if value}

        def wanted(line: dict[str, Any]) -> bool:
            return filters.items() <= line.items() and owned(request, line["shop"], line["domain"])

        watcher = watch()
        await asyncio.to_thread(watcher.__enter__)
        whole = not identity_of(request).is_erp
        events = _events(watcher, lambda page: _page_events(page, wanted, whole=whole), live, tails)
        return EventSourceResponse(events, ping=_PING_SECONDS, send_timeout=_SEND_SECONDS)

    return router


async def _events(
    watcher: OutcomeTail,
    page_events: Callable[[TailPage], Iterator[ServerSentEvent]],
    live: LiveFeed,
    tails: set[OutcomeTail],
) -> AsyncIterator[ServerSentEvent]:
    tails.add(watcher)
    try:
        yield ServerSentEvent("{}", event="watching")
        while not live.closed:
            try:
                page = await asyncio.to_thread(watcher.look)
            except StorageError as error:
                yield _event("unavailable", {"detail": str(error)})
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            for event in page_events(page):
                yield event
            if not page.more:
                await asyncio.sleep(_POLL_SECONDS)
    finally:
        tails.discard(watcher)
        # Not awaited: the client is gone, and a wait would be cancelled.
        asyncio.get_running_loop().run_in_executor(None, watcher.__exit__, None, None, None)


def _page_events(page: TailPage, wanted: Wanted, *, whole: bool) -> Iterator[ServerSentEvent]:
    if page.lapsed or page.removed:
        yield _event("lost", {"batches": page.removed or None})
    for batch in page.batches:
        for line in batch.lines:
            if wanted(line):
                yield _event("outcome", {"at": batch.at, **line})
        if batch.left_out:
            # The number is that of every shop.
            yield _event("left_out", {"at": batch.at, "count": batch.left_out if whole else None})


def _event(name: str, document: dict[str, Any]) -> ServerSentEvent:
    return ServerSentEvent(dump(document).decode(), event=name)


_DESCRIPTION = """\
`watching`, once: outcomes are recorded from here on.
`outcome`: `at`, `shop`, `domain`, `outcome`, `key`, `version`, and for a refused message `reason` and `pointer`.
`lost`: batches that went by unseen. `left_out`: the outcomes beyond the first 1,000 of a batch.
`unavailable`: the database can't be reached, and why; the stream goes on once it can.
A comment is sent every 10 s.
"""
