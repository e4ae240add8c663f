"""Chart data: ledger rows summed into equal steps, empty ones included, and the periods of pauses."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from comporta.web.pages.i18n import OUTCOMES
from rules.switches import Scope
from schemas.control import ANY
from storage.views import AuditFilter, AuditRow, LedgerRow, Views

__all__ = [
    "OffHistory",
    "OffPeriod",
    "Period",
    "Point",
    "floor",
    "periods",
    "points",
    "rates",
    "spans",
    "sparks",
]

Period = tuple[datetime, datetime | None]
# A chart covers a week; an ended pause that began before this limit is not shaded.
_HISTORY = timedelta(days=14)
_SWITCH_ACTIONS = ("pause", "resume", "expire")


class Point(NamedTuple):
    """One minute or hour of a chart: deliveries per outcome, in the order of `OUTCOMES`."""

    at: datetime
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        """Return the number of deliveries."""
        return sum(self.counts)


def points(rows: Iterable[LedgerRow], now: datetime, step: timedelta, steps: int, domain: str = "") -> list[Point]:
    """Return the last `steps` points up to `now`, oldest first, of one domain or of all."""
    last = floor(now, step)
    counts_at = {last - step * offset: dict.fromkeys(OUTCOMES, 0) for offset in range(steps)}
    for row in rows:
        counts = counts_at.get(floor(row["at"], step))
        if counts is not None and row["outcome"] in counts and domain in ("", row["domain"]):
            counts[row["outcome"]] += row["count"]
    return [Point(at, tuple(counts.values())) for at, counts in sorted(counts_at.items())]


def rates(rows: Iterable[LedgerRow], now: datetime) -> dict[str, int]:
    """Return the deliveries by domain in the last whole minute."""
    minute = floor(now, timedelta(minutes=1)) - timedelta(minutes=1)
    counts: dict[str, int] = {}
    for row in rows:
        if row["at"] == minute:
            counts[row["domain"]] = counts.get(row["domain"], 0) + row["count"]
    return counts


def sparks(rows: Iterable[LedgerRow], now: datetime) -> dict[str, tuple[int, ...]]:
    """Return the deliveries by domain and minute in the last whole hour, oldest first."""
    minute = timedelta(minutes=1)
    first = floor(now, minute) - 60 * minute
    counts: dict[str, list[int]] = {}
    for row in rows:
        index = (row["at"] - first) // minute
        if 0 <= index < 60:
            counts.setdefault(row["domain"], [0] * 60)[index] += row["count"]
    return {domain: tuple(minutes) for domain, minutes in counts.items()}


def spans(
    periods: Iterable[OffPeriod], since: datetime, domain: str = "", shop: str = "", until: datetime | None = None
) -> list[Period]:
    """Return the off periods between `since` and `until` that a chart shades, of one domain and shop or of all."""
    matching = (
        period
        for period in periods
        if (not domain or period.domain in (ANY, domain)) and (not shop or period.shop in (ANY, shop))
    )
    return [
        (period.since, period.until)
        for period in matching
        if (period.until is None or period.until > since) and (until is None or period.since < until)
    ]


def floor(moment: datetime, step: timedelta) -> datetime:
    """Return the beginning of the step that holds a moment; steps are counted from 1970 in UTC."""
    seconds = int(step.total_seconds())
    return datetime.fromtimestamp(int(moment.timestamp()) // seconds * seconds, moment.tzinfo)


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
