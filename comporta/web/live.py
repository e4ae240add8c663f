"""Live feed of the state: one poll of the database for all subscribers, and none without subscribers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

import structlog
from uuid_utils import uuid7

from comporta.runtime.health import Reach
from comporta.web.export import dump
from schemas.control import StatusDocument
from storage.errors import StorageError
from storage.views import Balance

__all__ = ["FULL_EVERY", "POLL_EVERY", "LiveEvent", "LiveFeed", "LiveSource", "Subscription"]

log = structlog.get_logger(__name__)

POLL_EVERY = 0.5
MOST_READERS = 100
# Seconds between full updates, sent changed or not: by their age a client knows whether its data is still current.
FULL_EVERY = 10.0
# Seconds between broker checks, each of which opens a connection: fewer while the broker is up than while it is down.
_BROKER_EVERY, _BROKER_RETRY = 10.0, 2.0

CheckBroker = Callable[[], Awaitable[Mapping[str, Reach]]]


class LiveSource(Protocol):
    """Source of the live documents, polled by `LiveFeed`."""

    def status(self) -> StatusDocument:
        """Return the status document; raises `StorageError`."""

    def balance(self) -> Balance:
        """Return the ledger's balance since its beginning; raises `StorageError`."""


class LiveEvent(NamedTuple):
    """Server-sent event: `status`, `ledger`, `unavailable` or `broker`, with a JSON document."""

    name: str
    id: str
    data: str


class Subscription:
    """Subscription of one reader; only the newest event of each name is queued, so a slow reader can't fall behind."""

    def __init__(self) -> None:
        self._waiting: dict[str, LiveEvent] = {}
        self._changed = asyncio.Event()
        self._closed = False

    def offer(self, event: LiveEvent) -> None:
        """Queue an event in place of an older one of its name."""
        # Removed first, so that the newest event is read last and determines what the reader shows.
        self._waiting.pop(event.name, None)
        self._waiting[event.name] = event
        self._changed.set()

    def close(self) -> None:
        """End the subscription once the queued events are read."""
        self._closed = True
        self._changed.set()

    def __aiter__(self) -> AsyncIterator[LiveEvent]:
        return self

    async def __anext__(self) -> LiveEvent:
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return self._waiting.pop(next(iter(self._waiting)))


class LiveFeed:
    """Feed that polls every 0.5 s while it has subscribers, and sends what changed; everything every 10 s."""

    def __init__(
        self,
        source: LiveSource,
        check_broker: CheckBroker | None = None,
        *,
        poll_every: float = POLL_EVERY,
        full_every: float = FULL_EVERY,
        clock: Callable[[], float] = time.monotonic,
        most_readers: int = MOST_READERS,
    ) -> None:
        self._most_readers = most_readers
        self._source = source
        self._check_broker = check_broker
        self._broker: Reach | None = None
        self._poll_every = poll_every
        self._full_every = full_every
        self._clock = clock
        self._readers: set[Subscription] = set()
        self._polling: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._last: dict[str, tuple[Any, LiveEvent]] = {}
        self._full_at = 0.0
        self._away_since: str | None = None
        self._run, self._number = str(uuid7())[-12:], 0
        self._closed = False

    @property
    def closed(self) -> bool:
        """Return whether every stream is to end."""
        return self._closed

    @property
    def is_full(self) -> bool:
        """Return whether there are as many readers as are allowed."""
        return len(self._readers) >= self._most_readers

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[Subscription]:
        """Yield a subscription that gets the whole state at once, then the changes, until the block ends."""
        reader = Subscription()
        self._readers.add(reader)
        if self._closed:
            reader.close()
        elif self._polling is None or self._polling.done():
            self._loop = asyncio.get_running_loop()
            self._last.clear()
            self._polling = asyncio.create_task(self._watch())
        else:
            for _, event in self._last.values():
                reader.offer(event)
        try:
            yield reader
        finally:
            self._readers.discard(reader)
            if not self._readers and self._polling is not None:
                self._polling.cancel()
                self._polling = None

    def close(self) -> None:
        """End every stream, those of later subscribers too; may be called from any thread."""
        self._closed = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._close_readers)

    def _close_readers(self) -> None:
        for reader in self._readers:
            reader.close()

    async def _watch(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._poll_documents())
            tasks.create_task(self._poll_broker())

    async def _poll_documents(self) -> None:
        while True:
            started = self._clock()
            try:
                self._publish(await asyncio.to_thread(self._documents))
            except Exception:
                # An error here must not end the task: all readers would wait for ever without noticing.
                log.exception("polling the status failed")
            await asyncio.sleep(max(self._poll_every - (self._clock() - started), 0.05))

    async def _poll_broker(self) -> None:
        # A task of its own: it takes seconds to find the broker unreachable.
        while self._check_broker is not None:
            try:
                self._broker = (await self._check_broker())["broker"]
            except Exception:
                log.exception("checking the broker failed")
            await asyncio.sleep(_BROKER_RETRY if self._broker and not self._broker.reachable else _BROKER_EVERY)

    def _documents(self) -> Mapping[str, tuple[Any, Any]]:
        """Return pairs by name: the value whose change counts, and the document to send."""
        return {**self._database_documents(), **self._broker_document()}

    def _broker_document(self) -> Mapping[str, tuple[Any, Any]]:
        if self._broker is None:
            return {}
        broker = {"reachable": self._broker.reachable, "since": self._broker.since}
        return {"broker": (broker, broker)}

    def _database_documents(self) -> Mapping[str, tuple[Any, Any]]:
        try:
            status = self._source.status().model_dump(mode="json")
            balance = self._source.balance()
        except StorageError as error:
            self._away_since = self._away_since or datetime.now(UTC).isoformat(timespec="seconds")
            away = {"since": self._away_since.replace("+00:00", "Z"), "detail": str(error)}
            return {"unavailable": (away["since"], away)}
        self._away_since = None
        # A heartbeat is not a change: it would cause an event twice a second.
        steady = {
            **status,
            "workers": [{**worker, "last_seen": None} for worker in status["workers"]],
            "health": _steady(status["health"]),
        }
        ledger = {"balance": _balance(balance), "last_minute": status["last_minute"]}
        return {"status": (steady, status), "ledger": (ledger, ledger)}

    def _publish(self, documents: Mapping[str, tuple[Any, Any]]) -> None:
        now = self._clock()
        full = now - self._full_at >= self._full_every
        if full:
            self._full_at = now
        for name in self._last.keys() - documents.keys():
            del self._last[name]
        for name, (key, document) in documents.items():
            last = self._last.get(name)
            if last is not None and last[0] == key and not full:
                continue
            self._number += 1
            event = LiveEvent(name, f"{self._run}-{self._number}", dump(document).decode())
            self._last[name] = (key, event)
            for reader in self._readers:
                reader.offer(event)


def _steady(health: dict[str, Any]) -> dict[str, Any]:
    """Return the health without what changes with every event."""
    domains = {name: {**domain, "last_change": None, "lag": None} for name, domain in health["domains"].items()}
    return {**health, "domains": domains}


def _balance(balance: Balance) -> dict[str, Any]:
    domains = {domain: {**terms._asdict(), "difference": terms.difference} for domain, terms in balance.domains.items()}
    return {"total": {**balance.total._asdict(), "difference": balance.total.difference}, "domains": domains}
