"""From rows of the ledger to what a chart and its table show: every step there, even where nothing came."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from comporta.web.pages.history import OffPeriod
from comporta.web.pages.words import OUTCOMES
from schemas.control import ANY
from storage.views import LedgerRow

__all__ = ["Point", "Span", "by_domain", "points", "rates", "spans"]

Span = tuple[datetime, datetime | None]


class Point(NamedTuple):
    """One minute or hour: how many deliveries came to each outcome, in the outcomes' order."""

    at: datetime
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.counts)


def points(rows: Iterable[LedgerRow], now: datetime, step: timedelta, steps: int, domain: str = "") -> list[Point]:
    """The last steps up to now, oldest first, of one domain or of all."""
    last = _floor(now, step)
    found = {last - step * back: dict.fromkeys(OUTCOMES, 0) for back in range(steps)}
    for row in rows:
        counts = found.get(row["at"])
        if counts is not None and row["outcome"] in counts and domain in ("", row["domain"]):
            counts[row["outcome"]] += row["count"]
    return [Point(at, tuple(counts.values())) for at, counts in sorted(found.items())]


def by_domain(rows: Iterable[LedgerRow]) -> dict[str, dict[str, int]]:
    """What each domain's deliveries came to."""
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        counts = found.setdefault(row["domain"], {})
        counts[row["outcome"]] = counts.get(row["outcome"], 0) + row["count"]
    return found


def rates(rows: Iterable[LedgerRow], now: datetime) -> dict[str, int]:
    """Deliveries by domain in the last whole minute."""
    minute = _floor(now, timedelta(minutes=1)) - timedelta(minutes=1)
    found: dict[str, int] = {}
    for row in rows:
        if row["at"] == minute:
            found[row["domain"]] = found.get(row["domain"], 0) + row["count"]
    return found


def spans(periods: Iterable[OffPeriod], since: datetime, domain: str = "") -> list[Span]:
    """When something was off after `since`, as a chart shades it; of one domain, when that one was."""
    shown = (period for period in periods if not domain or period.domain in (ANY, domain))
    return [(period.since, period.until) for period in shown if period.until is None or period.until > since]


def _floor(moment: datetime, step: timedelta) -> datetime:
    seconds = int(step.total_seconds())
    return datetime.fromtimestamp(int(moment.timestamp()) // seconds * seconds, moment.tzinfo)
