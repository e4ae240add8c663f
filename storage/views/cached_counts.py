"""Cached counts by two names: for a large table the last result is reused while a new one is counted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from storage.errors import StorageError, translated
from storage.log import logger

__all__ = ["Counts", "Recount", "nested"]

log = logger(__name__)

Counts = dict[str, dict[str, int]]
Connect = Callable[[], AbstractContextManager[Connection]]
# Up to this many rows are counted at every read, so that the result is exact.
_FEW = 20_000
# A result is valid for this multiple of its counting time, and for this many seconds at most.
_VALID_FACTOR, _LONGEST_VALID = 20.0, 30.0


@dataclass(frozen=True, slots=True)
class _Result:
    counts: Counts
    rows: int
    at: float
    took: float

    @property
    def age(self) -> float:
        return time.monotonic() - self.at

    @property
    def valid_seconds(self) -> float:
        """Return the seconds of validity, in proportion to the counting time."""
        return min(max(0.5, self.took * _VALID_FACTOR), _LONGEST_VALID) if self.rows > _FEW else 0.0


class Recount:
    """The cached counts of one query.

    Up to 20,000 rows are counted at every call. With more rows, a result is valid for 20 times its counting time, from
    0.5 s to 30 s; for the same time again it is still returned while a thread counts anew. Older results are not used.
    """

    def __init__(self, count: Callable[[Connection], Counts], connect: Connect) -> None:
        self._count = count
        self._connect = connect
        self._last: _Result | None = None
        self._counting = threading.Lock()

    @property
    def is_small(self) -> bool:
        """Return whether so few rows were counted last that they are counted at every call."""
        return self._last is not None and self._last.rows <= _FEW

    def record(self, counts: Counts, began: float) -> None:
        """Keep a result that was counted elsewhere, since the moment `began` of the monotonic clock."""
        rows = sum(sum(inner.values()) for inner in counts.values())
        self._last = _Result(counts, rows, began, time.monotonic() - began)

    def __call__(self, connection: Connection) -> Counts:
        """Return the counts, by outer and inner name."""
        last = self._last
        if last is None or last.age >= 2 * last.valid_seconds:
            return self._recount(connection)
        if last.age >= last.valid_seconds and self._counting.acquire(blocking=False):
            threading.Thread(target=self._recount_in_background, name="recount", daemon=True).start()
        return last.counts

    def _recount_in_background(self) -> None:
        try:
            with translated(), self._connect() as connection:
                self._recount(connection)
        except StorageError as error:
            log.warning("counting failed", error=str(error))
        finally:
            self._counting.release()

    def _recount(self, connection: Connection) -> Counts:
        began = time.monotonic()
        counts = self._count(connection)
        self.record(counts, began)
        return counts


def nested(rows: Iterable[Any]) -> Counts:
    """Nest rows of (outer, inner, count) by their names."""
    counts: Counts = {}
    for outer, inner, count in rows:
        counts.setdefault(outer, {})[inner] = int(count)
    return counts
