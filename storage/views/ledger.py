"""Ledger view: counts by minute or hour, the balance of received deliveries and outcomes, and the totals."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple, cast

from sqlalchemy import ColumnElement, Connection, Engine, Select, Text, func, literal, select, type_coerce, union_all
from typing_extensions import TypedDict

from rules.cost import Basis
from rules.outcomes import Outcome
from schemas.control import ANY
from schemas.domains import DOMAINS, ORDERS
from storage.dialect import database_now
from storage.errors import translated
from storage.ledger import uncounted
from storage.tables import ledger, received
from storage.types import UtcTime
from storage.views.cached_counts import Counts
from storage.views.rows import plain_row

__all__ = ["LONGEST", "Balance", "LedgerFilter", "LedgerRow", "LedgerView", "RangeTooLong", "Step", "Terms"]

Step = Literal["minute", "hour"]
# The longest range of one response: more would be megabytes, and more than a chart can show.
LONGEST: dict[Step, timedelta] = {"minute": timedelta(days=1), "hour": timedelta(days=92)}
_USUAL: dict[Step, timedelta] = {"minute": timedelta(hours=1), "hour": timedelta(days=1)}
# No batch commits this long after it has read the clock: the database's time limits are far shorter.
_SETTLED = timedelta(minutes=10)
# Far shorter than the age at which minutes are rolled up: what moves to the start of its hour is settled already.
_LONGEST_GAP = timedelta(hours=12)
_BEGINNING = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_RECEIVED = "received"

Cells = Counter[tuple[str, str]]


class RangeTooLong(ValueError):
    """A range of the ledger that is too long for one response."""


class LedgerRow(TypedDict):
    """The number of deliveries with an outcome in one minute or hour; without a shop, those of all shops."""

    at: datetime
    shop: str | None
    domain: str
    outcome: str
    count: int


@dataclass(frozen=True, slots=True)
class LedgerFilter:
    """A filter of ledger rows; without `since` the last hour by minute, or the last day by hour."""

    step: Step = "minute"
    shop: str | None = None
    domain: str | None = None
    outcome: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class Terms(NamedTuple):
    """The deliveries received, counted before any decision, and those of each outcome."""

    received: int
    applied: int
    superseded: int
    discarded: int
    quarantined: int

    @property
    def difference(self) -> int:
        """Return the number of deliveries without an outcome; any number but 0 is a fault."""
        return self.received - self.applied - self.superseded - self.discarded - self.quarantined


class Balance(NamedTuple):
    """The terms in total and by domain, of whole minutes; without `since` from the ledger's beginning."""

    since: datetime | None
    until: datetime | None
    total: Terms
    domains: dict[str, Terms]


class LedgerView:
    """A reader of the ledger, which caches the sums of settled minutes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._settled_until = _BEGINNING
        self._settled: Cells = Counter()

    def rows(self, filter: LedgerFilter) -> list[LedgerRow]:
        """Return the counts, oldest first; raises `RangeTooLong`."""
        with translated(), self._engine.connect() as connection:
            until = filter.until or database_now(connection) + timedelta(minutes=1)
            since = filter.since or until - _USUAL[filter.step]
            if until - since > LONGEST[filter.step]:
                raise RangeTooLong(
                    f"since: by {filter.step} at most {LONGEST[filter.step].days} days can be shown at once"
                )
            rows = connection.execute(_by_step(connection.dialect.name, filter, since, until))
            return [_ledger_row(plain_row(row)) for row in rows]

    def balance(self, since: datetime | None = None, until: datetime | None = None) -> Balance:
        """Compare received deliveries with outcomes, in one statement, so that both sides show the same moment."""
        with translated(), self._engine.connect() as connection:
            cells = self._cells_since_start(connection) if since is until is None else _cells(connection, since, until)
        domains = {domain: _terms(cells, domain) for domain in sorted({domain for domain, _ in cells})}
        return Balance(
            since, until, Terms(*map(sum, zip(*domains.values(), strict=True))) if domains else _ZERO, domains
        )

    def totals(self) -> Counts:
        """Count the deliveries of each outcome, by domain, since the ledger began."""
        with translated(), self._engine.connect() as connection:
            cells = self._cells_since_start(connection)
        totals: Counts = {}
        for (domain, term), count in sorted(cells.items()):
            if term != _RECEIVED:
                totals.setdefault(domain, {})[term] = count
        return totals

    def basis(self, shop: str, domains: frozenset[str]) -> Basis:
        """Count the deliveries to a scope in the last hour, or since the ledger began if that is shorter."""
        with translated(), self._engine.connect() as connection:
            now = database_now(connection)
            first = connection.scalar(select(func.min(ledger.c.minute, type_=UtcTime())))
            since = max(now.replace(second=0, microsecond=0) - timedelta(hours=1), first or now)
            query = select(ledger.c.domain, func.sum(ledger.c.count)).where(
                ledger.c.minute >= since, *_relevant(shop, domains)
            )
            counts = {row[0]: int(row[1]) for row in connection.execute(query.group_by(ledger.c.domain))}
        return Basis(since, now, sum(counts.get(domain, 0) for domain in DOMAINS), counts.get(ORDERS, 0))

    def _cells_since_start(self, connection: Connection) -> Cells:
        now = database_now(connection)
        with self._lock:
            horizon = now.replace(second=0, microsecond=0) - _SETTLED
            if horizon - self._settled_until > _LONGEST_GAP:
                self._settled, self._settled_until = Counter(), _BEGINNING
            if horizon > self._settled_until:
                self._settled += _cells(connection, self._settled_until, horizon)
                self._settled_until = horizon
            return self._settled + _cells(connection, self._settled_until, None)


def _ledger_row(row: dict[str, Any]) -> LedgerRow:
    # PostgreSQL sums bigints to a numeric.
    return cast(LedgerRow, {**row, "count": int(row["count"])})


def _cells(connection: Connection, since: datetime | None, until: datetime | None) -> Cells:
    outcomes = _summed(ledger, ledger.c.outcome, since, until).group_by(ledger.c.domain, ledger.c.outcome)
    received_sums = _summed(received, literal(_RECEIVED), since, until).group_by(received.c.domain)
    uncounted_sums = _summed(ledger, literal(_RECEIVED), since, until).where(uncounted()).group_by(ledger.c.domain)
    # One statement shows one moment: with two, a commit between them would look like a loss.
    cells: Cells = Counter()
    for domain, term, count in connection.execute(union_all(outcomes, received_sums, uncounted_sums)):
        cells[domain, term] += int(count)
    return cells


def _summed(table: Any, term: ColumnElement[Any], since: datetime | None, until: datetime | None) -> Select[Any]:
    query = select(table.c.domain, term.label("term"), func.sum(table.c.count))
    if since is not None:
        query = query.where(table.c.minute >= since)
    return query if until is None else query.where(table.c.minute < until)


def _terms(cells: Cells, domain: str) -> Terms:
    return Terms(cells[domain, _RECEIVED], *(cells[domain, outcome] for outcome in Terms._fields[1:]))


def _relevant(shop: str, domains: frozenset[str]) -> list[ColumnElement[bool]]:
    # A quarantined delivery would be quarantined during a pause as well; a repeated order is not a new one.
    counted = ledger.c.outcome != Outcome.QUARANTINED.value
    new_order = (ledger.c.domain != ORDERS) | (ledger.c.outcome == Outcome.APPLIED.value)
    scope = [] if shop == ANY else [ledger.c.shop == shop]
    return [counted, new_order, *scope, *([] if ANY in domains else [ledger.c.domain.in_(sorted(domains))])]


def _by_step(dialect: str, filter: LedgerFilter, since: datetime, until: datetime) -> Select[Any]:
    at = _truncated(dialect, filter.step)
    shop = literal(filter.shop, Text())
    query = select(
        at.label("at"), shop.label("shop"), ledger.c.domain, ledger.c.outcome, func.sum(ledger.c.count).label("count")
    ).where(ledger.c.minute >= since, ledger.c.minute < until)
    for column, value in ((ledger.c.shop, filter.shop), (ledger.c.domain, filter.domain)):
        query = query if value is None else query.where(column == value)
    if filter.outcome is not None:
        query = query.where(ledger.c.outcome == filter.outcome)
    return query.group_by(at, ledger.c.domain, ledger.c.outcome).order_by(at, ledger.c.domain, ledger.c.outcome)


def _truncated(dialect: str, step: Step) -> ColumnElement[Any]:
    if step == "minute":
        return ledger.c.minute
    if dialect == "postgresql":
        return func.date_trunc("hour", ledger.c.minute, type_=UtcTime())
    return type_coerce(func.substr(ledger.c.minute, 1, 13) + ":00:00.000000Z", UtcTime())


_ZERO = Terms(0, 0, 0, 0, 0)
