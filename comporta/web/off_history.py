"""Off periods of the switches, from their audit entries."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from rules.switches import Scope
from schemas.control import ANY
from storage.views import AuditFilter, AuditRow, Views

__all__ = ["OffHistory", "OffPeriod", "periods"]

# A chart covers a week; an ended pause that began before this limit is not shaded.
_HISTORY = timedelta(days=14)
_SWITCH_ACTIONS = ("pause", "resume", "expire")


class OffPeriod(NamedTuple):
    """Period in which a switch was off; without `until`, it still is."""

    shop: str
    domain: str
    since: datetime
    until: datetime | None


class OffHistory:
    """Off periods of the last days, cached until the epoch changes, so that many viewers cost one query per change."""

    def __init__(self, views: Views) -> None:
        self._views = views
        self._lock = threading.Lock()
        self._cached: tuple[int, list[OffPeriod]] = (-1, [])

    def periods(self, epoch: int, now: datetime) -> list[OffPeriod]:
        """Return the periods as of this epoch, oldest first."""
        with self._lock:
            if self._cached[0] != epoch:
                self._cached = epoch, periods(self._changes(now - _HISTORY))
            return self._cached[1]

    def _changes(self, since: datetime) -> list[AuditRow]:
        listings = (AuditFilter(action=action, since=since) for action in _SWITCH_ACTIONS)
        return [row for listing in listings for row in self._views.every(listing)]


def periods(changes: Iterable[AuditRow]) -> list[OffPeriod]:
    """Return the off periods of the switches from their audit entries, given in any order; oldest first."""
    ended: list[OffPeriod] = []
    off: dict[Scope, datetime] = {}
    for change in sorted(changes, key=lambda row: row["epoch"]):
        for domain in change["domains"] or ():
            scope = change["shop"] or ANY, domain
            if change["result"] == "off":
                off.setdefault(scope, change["at"])
            elif change["result"] == "on" and (since := off.pop(scope, None)) is not None:
                ended.append(OffPeriod(*scope, since, change["at"]))
    ongoing = [OffPeriod(*scope, since, None) for scope, since in off.items()]
    return sorted([*ended, *ongoing], key=lambda period: period.since)
