"""Groups of the quarantine: refused messages counted by reason and shop, the largest group first."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Engine, func, select

from storage.errors import translated
from storage.tables import quarantine
from storage.types import UtcTime

__all__ = ["QuarantineGroup", "QuarantineGroups", "reason_counts"]

# Counting takes at most this share of one core, however many pages are open.
_SHARE = 0.05
_FRESH_SECONDS = 1.0


class QuarantineGroup(NamedTuple):
    """The refused messages of one shop with one reason, and when the first and the last of them came."""

    reason: str
    shop: str
    number: int
    first: datetime
    last: datetime


class QuarantineGroups:
    """A reader of the groups, for any number of threads; frequent reads share one count."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._fresh_until = 0.0
        self._groups: list[QuarantineGroup] = []

    def read(self) -> list[QuarantineGroup]:
        """Return the groups; they are a second old at most, or older if counting is slow."""
        with self._lock:
            began = time.monotonic()
            if began > self._fresh_until:
                self._groups = self._count()
                now = time.monotonic()
                self._fresh_until = now + max(_FRESH_SECONDS, (now - began) / _SHARE)
            return self._groups

    def _count(self) -> list[QuarantineGroup]:
        at = quarantine.c["at"]
        query = select(
            quarantine.c.reason,
            quarantine.c.shop,
            func.count(),
            func.min(at, type_=UtcTime()),
            func.max(at, type_=UtcTime()),
        ).group_by(quarantine.c.reason, quarantine.c.shop)
        with translated(), self._engine.connect() as connection:
            groups = [QuarantineGroup(*row) for row in connection.execute(query)]
        return sorted(groups, key=lambda group: (-group.number, group.reason, group.shop))


def reason_counts(groups: Iterable[QuarantineGroup]) -> dict[str, int]:
    """Return the number of refused messages by reason, the most frequent first."""
    counts: dict[str, int] = {}
    for group in groups:
        counts[group.reason] = counts.get(group.reason, 0) + group.number
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
