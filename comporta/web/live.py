"""The state as it changes: one look at the database for all who listen, and none while nobody does."""

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

__all__ = ["FULL_EVERY", "LOOK_EVERY", "LiveEvent", "LiveFeed", "LiveSource", "Subscription"]

log = structlog.get_logger(__name__)

LOOK_EVERY = 0.5
# So often all is told, changed or not: by its age a reader knows whether what it shows is still true.
FULL_EVERY = 10.0
# To reach the broker takes a connection: seldom while it is there, often enough to see it come back.
_REACH_EVERY, _REACH_AGAIN = 10.0, 2.0

Reaches = Callable[[], Awaitable[Mapping[str, Reach]]]


class LiveSource(Protocol):
    """What is looked at."""

    def status(self) -> StatusDocument:
        """The status document; raises `StorageError`."""

    def balance(self) -> Balance:
        """The ledger's balance since its beginning; raises `StorageError`."""


class LiveEvent(NamedTuple):
    """`status`, `ledger`, `unavailable` or `broker`, with a JSON document."""

    name: str
    id: str
    data: str


class Subscription:
    """One reader: of each name only the newest event waits for it, however slow it is."""

    def __init__(self) -> None:
        self._waiting: dict[str, LiveEvent] = {}
        self._changed = asyncio.Event()
        self._closed = False

    def offer(self, event: LiveEvent) -> None:
        """Lets an event wait in place of an older one."""
        # Taken out first, so that the newest is read last: it says how things stand.
        self._waiting.pop(event.name, None)
        self._waiting[event.name] = event
        self._changed.set()

    def close(self) -> None:
        """Lets the reader read what waits, and then end."""
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
    """Looks every 0.5 s while anybody listens, and tells what has changed; all of it every 10 s."""

    def __init__(
        self,
        looks: LiveSource,
        reaches: Reaches | None = None,
        *,
        look_every: float = LOOK_EVERY,
        full_every: float = FULL_EVERY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._looks = looks
        self._reaches = reaches
        self._broker: Reach | None = None
        self._look_every = look_every
        self._full_every = full_every
        self._clock = clock
        self._readers: set[Subscription] = set()
        self._looking: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._last: dict[str, tuple[Any, LiveEvent]] = {}
        self._full_at = 0.0
        self._away_since: str | None = None
        self._run, self._number = str(uuid7())[-12:], 0
        self._closed = False

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[Subscription]:
        """A reader, told the whole state at once and then what changes, until the block ends."""
        reader = Subscription()
        self._readers.add(reader)
        if self._closed:
            reader.close()
        elif self._looking is None or self._looking.done():
            self._loop = asyncio.get_running_loop()
            self._last.clear()
            self._looking = asyncio.create_task(self._watch())
        else:
            for _, event in self._last.values():
                reader.offer(event)
        try:
            yield reader
        finally:
            self._readers.discard(reader)
            if not self._readers and self._looking is not None:
                self._looking.cancel()
                self._looking = None

    def close(self) -> None:
        """Ends every reader's stream, now and from now on; may be called from any thread."""
        self._closed = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._close_readers)

    def _close_readers(self) -> None:
        for reader in self._readers:
            reader.close()

    async def _watch(self) -> None:
        async with asyncio.TaskGroup() as both:
            both.create_task(self._look_on())
            both.create_task(self._reach_on())

    async def _look_on(self) -> None:
        while True:
            began = self._clock()
            try:
                self._tell(await asyncio.to_thread(self._look))
            except Exception:
                # Without this look all readers would wait for ever, and none would know.
                log.exception("looking failed")
            await asyncio.sleep(max(self._look_every - (self._clock() - began), 0.05))

    async def _reach_on(self) -> None:
        # Beside the looks: to find out that nobody answers takes seconds.
        while self._reaches is not None:
            try:
                self._broker = (await self._reaches())["broker"]
            except Exception:
                log.exception("the broker could not be looked for")
            await asyncio.sleep(_REACH_AGAIN if self._broker and not self._broker.reachable else _REACH_EVERY)

    def _look(self) -> Mapping[str, tuple[Any, Any]]:
        """The documents by name, each with what counts as a change of it."""
        return {**self._look_at_database(), **self._look_at_broker()}

    def _look_at_broker(self) -> Mapping[str, tuple[Any, Any]]:
        if self._broker is None:
            return {}
        broker = {"reachable": self._broker.reachable, "since": self._broker.since}
        return {"broker": (broker, broker)}

    def _look_at_database(self) -> Mapping[str, tuple[Any, Any]]:
        try:
            status = self._looks.status().model_dump(mode="json")
            balance = self._looks.balance()
        except StorageError as error:
            self._away_since = self._away_since or datetime.now(UTC).isoformat(timespec="seconds")
            away = {"since": self._away_since.replace("+00:00", "Z"), "detail": str(error)}
            return {"unavailable": (away["since"], away)}
        self._away_since = None
        # That a worker was heard of again is no news, and would be twice a second.
        steady = {**status, "workers": [{**worker, "last_seen": None} for worker in status["workers"]]}
        ledger = {"balance": _balance(balance), "last_minute": status["last_minute"]}
        return {"status": (steady, status), "ledger": (ledger, ledger)}

    def _tell(self, found: Mapping[str, tuple[Any, Any]]) -> None:
        now = self._clock()
        everything = now - self._full_at >= self._full_every
        if everything:
            self._full_at = now
        for name in self._last.keys() - found.keys():
            del self._last[name]
        for name, (counts, document) in found.items():
            last = self._last.get(name)
            if last is not None and last[0] == counts and not everything:
                continue
            self._number += 1
            event = LiveEvent(name, f"{self._run}-{self._number}", dump(document).decode())
            self._last[name] = (counts, event)
            for reader in self._readers:
                reader.offer(event)


def _balance(balance: Balance) -> dict[str, Any]:
    terms = {domain: {**each._asdict(), "difference": each.difference} for domain, each in balance.domains.items()}
    return {"total": {**balance.total._asdict(), "difference": balance.total.difference}, "domains": terms}
