"""From rows of the ledger to what a chart and its table show: every step there, even where nothing came."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from comporta.web.pages.i18n import OUTCOMES
from rules.switches import Scope
from schemas.control import ANY
from storage.views import AuditFilter, AuditRow, LedgerRow, Views

__all__ = ["OffHistory", "OffPeriod", "Period", "Point", "by_domain", "periods", "points", "rates", "spans"]
Period = tuple[datetime, datetime | None]
# A chart shows a day; a pause that began earlier than this before it is shaded only while it lasts.
_LOOK_BACK = timedelta(days=8)
_TURNS = ("pause", "resume", "expire")


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


def spans(periods: Iterable[OffPeriod], since: datetime, domain: str = "") -> list[Period]:
    """When something was off after `since`, as a chart shades it; of one domain, when that one was."""
    shown = (period for period in periods if not domain or period.domain in (ANY, domain))
    return [(period.since, period.until) for period in shown if period.until is None or period.until > since]


def _floor(moment: datetime, step: timedelta) -> datetime:
    seconds = int(step.total_seconds())
    return datetime.fromtimestamp(int(moment.timestamp()) // seconds * seconds, moment.tzinfo)


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
