"""When what was off: told from the audit, for charts to shade."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from schemas.control import ANY
from storage.views import AuditFilter, AuditRow, Views

__all__ = ["OffHistory", "OffPeriod", "periods"]

# A chart shows a day; a pause that began earlier than this before it is shaded only while it lasts.
_LOOK_BACK = timedelta(days=8)
_TURNS = ("pause", "resume", "expire")

Scope = tuple[str, str]


class OffPeriod(NamedTuple):
    """A switch was off; without `until` it still is."""

    shop: str
    domain: str
    since: datetime
    until: datetime | None


class OffHistory:
    """The periods of the last days; read anew only when a switch has been turned, however many look."""

    def __init__(self, views: Views) -> None:
        self._views = views
        self._lock = threading.Lock()
        self._known: tuple[int, list[OffPeriod]] = (-1, [])

    def periods(self, epoch: int, now: datetime) -> list[OffPeriod]:
        """The periods as of this epoch, oldest first."""
        with self._lock:
            if self._known[0] != epoch:
                self._known = epoch, periods(self._turns(now - _LOOK_BACK))
            return self._known[1]

    def _turns(self, since: datetime) -> list[AuditRow]:
        listings = (AuditFilter(action=action, since=since) for action in _TURNS)
        return [row for listing in listings for row in self._views.every(listing)]


def periods(turns: Iterable[AuditRow]) -> list[OffPeriod]:
    """From the turns of switches, in any order, to the times when they were off."""
    found: list[OffPeriod] = []
    off: dict[Scope, datetime] = {}
    for turn in sorted(turns, key=lambda row: row["epoch"]):
        for domain in turn["domains"] or ():
            scope = turn["shop"] or ANY, domain
            if turn["result"] == "off":
                off.setdefault(scope, turn["at"])
            elif turn["result"] == "on" and (since := off.pop(scope, None)) is not None:
                found.append(OffPeriod(*scope, since, turn["at"]))
    found += [OffPeriod(*scope, since, None) for scope, since in off.items()]
    return sorted(found, key=lambda period: period.since)
