"""Counts by two names, cheap to ask again: of a large table the last answer is given while a new one is counted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Connection

from storage.errors import StorageError, translated

__all__ = ["Counts", "Recount", "nested"]

log = structlog.get_logger(__name__)

Counts = dict[str, dict[str, int]]
Connect = Callable[[], AbstractContextManager[Connection]]
# Fewer rows than this are counted at every look, and so always exact.
_FEW = 20_000
# A count may take this share of the time, and its answer never grows older than this.
_SHARE, _OLDEST = 20.0, 30.0


@dataclass(frozen=True, slots=True)
class _Answer:
    counts: Counts
    rows: int
    at: float
    took: float

    @property
    def age(self) -> float:
        return time.monotonic() - self.at

    @property
    def lasts(self) -> float:
        """How long it is good, in seconds: the longer it took, the longer."""
        return min(max(0.5, self.took * _SHARE), _OLDEST) if self.rows > _FEW else 0.0


class Recount:
    """Remembers the last counts of one question.

    Up to 20,000 rows are counted anew each time. Of more, an answer is given again for 0.5 s, or for 20 times what
    counting took; for as long once more it is still given while it is counted anew behind it. Older ones are not.
    """

    def __init__(self, count: Callable[[Connection], Counts], connect: Connect) -> None:
        self._count = count
        self._connect = connect
        self._last: _Answer | None = None
        self._counting = threading.Lock()

    def __call__(self, connection: Connection) -> Counts:
        """The counts, by outer and inner name."""
        last = self._last
        if last is None or last.age >= 2 * last.lasts:
            return self._anew(connection).counts
        if last.age >= last.lasts and self._counting.acquire(blocking=False):
            threading.Thread(target=self._behind, name="recount", daemon=True).start()
        return last.counts

    def _behind(self) -> None:
        try:
            with translated(), self._connect() as connection:
                self._anew(connection)
        except StorageError as error:
            log.warning("counting failed", error=str(error))
        finally:
            self._counting.release()

    def _anew(self, connection: Connection) -> _Answer:
        began = time.monotonic()
        counts = self._count(connection)
        rows = sum(sum(inner.values()) for inner in counts.values())
        answer = _Answer(counts, rows, began, time.monotonic() - began)
        self._last = answer
        return answer


def nested(rows: Iterable[Any]) -> Counts:
    """Rows of (outer, inner, count) by their names."""
    counts: Counts = {}
    for outer, inner, count in rows:
        counts.setdefault(outer, {})[inner] = int(count)
    return counts
