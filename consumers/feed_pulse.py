"""Feed pulse: when each feed last sent, and the distances of its events, gathered from the batches of a worker."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from consumers.observer import BatchStats
from rules.feeds import Distances, merged
from rules.outcomes import Outcome
from rules.switches import Scope

__all__ = ["FeedPulse", "FeedRecord"]

# A second's worth of batches is one statement; the pages need no more.
_FLUSH_SECONDS = 2.0


class FeedRecord(Protocol):
    """Store of the feeds' activity for other processes."""

    def record(self, ages: Mapping[Scope, float], distances: Mapping[Scope, Distances]) -> None:
        """Record the seconds since each feed's last delivery, and its distances; raises `StorageError`."""


class FeedPulse:
    """Activity of the feeds since the last flush: batches only add to it, the heartbeat writes it.

    So the batches' transactions write no row that all workers share.
    """

    def __init__(self, record: FeedRecord, clock: Callable[[], float] = time.monotonic) -> None:
        self._record = record
        self._clock = clock
        self._lock = threading.Lock()
        self._last: dict[Scope, float] = {}
        self._distances: dict[Scope, Distances] = {}
        self._known: set[str] = set()
        self._flushed = clock()

    def observe(self, batch: BatchStats) -> None:
        """Add one batch after its commit."""
        now, known = self._clock(), self._known
        with self._lock:
            last = self._last
            for (shop, domain, outcome), count in batch.tally.items():
                # A publisher can send an unreadable message under any shop's name.
                if count and (shop in known or outcome is not Outcome.QUARANTINED):
                    known.add(shop)
                    last[shop, domain] = now
            for scope, found in batch.distances.items():
                if scope in last:
                    before = self._distances.get(scope)
                    self._distances[scope] = found if before is None else merged(before, found)

    def flush(self, *, now: bool = False) -> None:
        """Write what has gathered, every two seconds at most, or `now`; raises `StorageError`, and keeps it then."""
        began = self._clock()
        if not now and began - self._flushed < _FLUSH_SECONDS:
            return
        self._flushed = began
        with self._lock:
            last, distances = self._last, self._distances
            self._last, self._distances = {}, {}
        if not last:
            return
        try:
            self._record.record({scope: began - at for scope, at in last.items()}, distances)
        except BaseException:
            self._restore(last, distances)
            raise

    def _restore(self, last: Mapping[Scope, float], distances: Mapping[Scope, Distances]) -> None:
        with self._lock:
            self._last = {**last, **self._last}
            for scope, found in distances.items():
                later = self._distances.get(scope)
                self._distances[scope] = found if later is None else merged(found, later)
