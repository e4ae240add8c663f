"""Chart data: ledger rows summed into equal steps, empty ones included, and the off periods that are shaded."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from comporta.web.off_history import OffPeriod
from comporta.web.pages.i18n import OUTCOMES
from schemas.control import ANY
from storage.views import LedgerRow

__all__ = [
    "Period",
    "Point",
    "floor",
    "points",
    "rates",
    "spans",
    "sparks",
]

Period = tuple[datetime, datetime | None]


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
