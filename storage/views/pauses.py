"""Reports of pauses: who, why, from when to when, and what each has cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, select

from rules.pauses import Pause, PausedScope, SwitchChange, pauses_of
from rules.switches import Scope
from storage.dialect import database_now
from storage.errors import translated
from storage.pause_costs import CostLine, PauseSpan, ScopeCost, count_cost, left_keys
from storage.pause_tables import pause_ends, pause_lines
from storage.tables import audit, switches

__all__ = ["PauseReport", "PauseView", "ReportLine", "ReportScope", "read_pauses"]


class ReportLine(NamedTuple):
    """One shop and domain of a paused scope; `keys` is None where nobody counted them at the end."""

    shop: str
    domain: str
    discarded: int
    keys: int | None
    left: int


@dataclass(frozen=True, slots=True)
class ReportScope:
    """One scope of a pause; `ended` is None while it is off, the orders are None where nobody counted them."""

    shop: str
    domain: str
    until: datetime | None
    ended: SwitchChange | None
    lines: tuple[ReportLine, ...]
    orders_held: int | None
    longest_wait: float | None
    made_good_at: datetime | None

    @property
    def left(self) -> int:
        """Return the number of keys that are still missed."""
        return sum(line.left for line in self.lines)

    def document(self) -> dict[str, Any]:
        """Return the scope as the API shows it."""
        end = self.ended
        return {
            "shop": self.shop,
            "domain": self.domain,
            "until": self.until,
            "ended": end and {name: getattr(end, name) for name in ("epoch", "at", "action", "by", "reason")},
            "orders_held": self.orders_held,
            "longest_wait_seconds": self.longest_wait,
            "made_good_at": self.made_good_at,
            "left": self.left,
            "lines": [line._asdict() for line in self.lines],
        }


@dataclass(frozen=True)
class PauseReport:
    """A pause with its scopes; the sums are those of its scopes, which never overlap within a pause of one shop."""

    epoch: int
    since: datetime
    by: str
    reason: str
    ended_at: datetime | None
    scopes: tuple[ReportScope, ...]

    @cached_property
    def discarded(self) -> dict[str, int]:
        """Return the discarded changes by domain."""
        counts: Counter[str] = Counter()
        for line in self._lines:
            counts[line.domain] += line.discarded
        return {domain: count for domain, count in sorted(counts.items()) if count}

    @property
    def keys(self) -> int | None:
        """Return the distinct keys; None if those of any scope were not counted."""
        keys = [line.keys for line in self._lines]
        return None if None in keys else sum(key or 0 for key in keys)

    @property
    def left(self) -> int:
        """Return the number of keys that are still missed."""
        return sum(scope.left for scope in self.scopes)

    @property
    def made_good_at(self) -> datetime | None:
        """Return the time at which the last key was made good; None while any is missed."""
        times = [scope.made_good_at for scope in self.scopes]
        return None if None in times else max(time for time in times if time is not None)

    @property
    def orders_held(self) -> int | None:
        """Return the number of orders that waited at the end; None if they were not counted."""
        held = [scope.orders_held for scope in self.scopes]
        return None if None in held else sum(number or 0 for number in held)

    @property
    def longest_wait(self) -> float | None:
        """Return the longest time in seconds that an order waited for the end; None if it was not counted."""
        waits = [scope.longest_wait for scope in self.scopes]
        return None if None in waits else max(wait or 0.0 for wait in waits)

    def document(self) -> dict[str, Any]:
        """Return the report as the API shows it."""
        return {
            "epoch": self.epoch,
            "state": "off" if self.ended_at is None else "on",
            "by": self.by,
            "reason": self.reason,
            "since": self.since,
            "ended_at": self.ended_at,
            "discarded": self.discarded,
            "keys": self.keys,
            "left": self.left,
            "made_good_at": self.made_good_at,
            "orders_held": self.orders_held,
            "longest_wait_seconds": self.longest_wait,
            "scopes": [scope.document() for scope in self.scopes],
        }

    @property
    def _lines(self) -> Iterable[ReportLine]:
        return (line for scope in self.scopes for line in scope.lines)


class PauseView:
    """A reader of the pauses that the audit knows."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def newest(self, limit: int = 20) -> list[PauseReport]:
        """Return the newest pauses first."""
        with translated(), self._engine.connect() as connection:
            return self._reports(connection, read_pauses(connection)[::-1][:limit])

    def one(self, epoch: int) -> PauseReport | None:
        """Return the pause that began with this epoch; None if none did."""
        with translated(), self._engine.connect() as connection:
            found = [pause for pause in read_pauses(connection) if pause.began.epoch == epoch]
            return next(iter(self._reports(connection, found)), None)

    def _reports(self, connection: Connection, pauses: list[Pause]) -> list[PauseReport]:
        now = database_now(connection)
        ends = connection.execute(select(switches.c.shop, switches.c.domain, switches.c.until).where(switches.c.off))
        until: dict[Scope, datetime | None] = {(row.shop, row.domain): row.until for row in ends}
        epochs = {paused.ended.epoch for pause in pauses for paused in pause.scopes if paused.ended is not None}
        counted = _counted(connection, epochs)
        return [
            PauseReport(
                pause.began.epoch,
                pause.began.at,
                pause.began.by,
                pause.began.reason or "",
                pause.ended_at,
                tuple(_scope(connection, pause, paused, now, until, counted) for paused in pause.scopes),
            )
            for pause in pauses
        ]


def read_pauses(connection: Connection) -> list[Pause]:
    """Read the pauses from the audit, in the order in which they began."""
    query = select(audit).where(audit.c.result.in_(("off", "on"))).order_by(audit.c.epoch, audit.c.id)
    return pauses_of(
        SwitchChange(
            row.epoch,
            row.at,
            row.action,
            tuple((row.shop, domain) for domain in row.domains or ()),
            row.by,
            row.reason,
            row.result,
        )
        for row in connection.execute(query)
    )


_Counted = Mapping[tuple[int, Scope], tuple[ScopeCost, datetime | None]]


def _counted(connection: Connection, epochs: set[int]) -> _Counted:
    """Return the costs that were counted at these ends, with the times at which they were made good."""
    lines: dict[tuple[int, Scope], list[CostLine]] = {}
    for row in connection.execute(select(pause_lines).where(pause_lines.c.epoch.in_(epochs))):
        line = CostLine(row.shop, row.domain, row.discarded, row.keys)
        lines.setdefault((row.epoch, (row.scope_shop, row.scope_domain)), []).append(line)
    counted = {}
    for row in connection.execute(select(pause_ends).where(pause_ends.c.epoch.in_(epochs))):
        key = row.epoch, (row.shop, row.domain)
        span = PauseSpan(key[1], row.since, row.ended_at, row.epoch)
        cost = ScopeCost(span, tuple(sorted(lines.get(key, ()))), row.orders_held, row.longest_wait)
        counted[key] = cost, row.made_good_at
    return counted


def _scope(
    connection: Connection,
    pause: Pause,
    paused: PausedScope,
    now: datetime,
    until: Mapping[Scope, datetime | None],
    counted: _Counted,
) -> ReportScope:
    ended = paused.ended

    def report(
        lines: Iterable[ReportLine], held: int | None, wait: float | None, made_good_at: datetime | None = None
    ) -> ReportScope:
        end = None if ended else until.get(paused.scope)
        return ReportScope(*paused.scope, end, ended, tuple(lines), held, wait, made_good_at)

    if ended is not None and (ended.epoch, paused.scope) in counted:
        cost, made_good_at = counted[ended.epoch, paused.scope]
        left = {} if made_good_at is not None else left_keys(connection, cost.span)
        lines = (ReportLine(*line, left.get((line.shop, line.domain), 0)) for line in cost.lines)
        return report(lines, cost.orders_held, cost.longest_wait, made_good_at)
    cost = count_cost(connection, PauseSpan(paused.scope, pause.began.at, ended.at if ended else now))
    if ended is None:
        return report((ReportLine(*line, line.keys) for line in cost.lines), cost.orders_held, cost.longest_wait)
    # Of an end that nobody counted, only the ledger and the keys that are missed still can be read.
    uncounted = (ReportLine(line.shop, line.domain, line.discarded, None, line.keys) for line in cost.lines)
    return report(uncounted, None, None)
