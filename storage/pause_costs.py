"""Cost of a pause: discarded changes, distinct keys and held orders, counted in the snapshot of its end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, Table, exists, func, select, true, update

from rules.orders import OrderState
from rules.outcomes import Outcome
from rules.switches import Scope, Switches
from schemas.control import ANY
from schemas.domains import ORDERS
from storage.dialect import database_now
from storage.fence import Fence
from storage.order_tables import orders
from storage.pause_tables import pause_ends, pause_lines
from storage.tables import ledger, missed
from storage.types import UtcTime

__all__ = [
    "CostLine",
    "PauseSpan",
    "ScopeCost",
    "count_cost",
    "ended_spans",
    "has_unrepaired",
    "left_keys",
    "note_repaired",
    "write_costs",
]

# So many pauses are looked at in one step of the upkeep.
_AT_ONCE = 50
_ANY_UNREPAIRED = select(exists(1).where(pause_ends.c.made_good_at.is_(None)))


class PauseSpan(NamedTuple):
    """One scope of a pause from its beginning to its end; `epoch` is that of the end (0: it is off still)."""

    scope: Scope
    since: datetime
    ended_at: datetime
    epoch: int = 0


class CostLine(NamedTuple):
    """The cost for one shop and domain: changes discarded, and distinct keys missed by the end."""

    shop: str
    domain: str
    discarded: int
    keys: int


class ScopeCost(NamedTuple):
    """The cost of one span: its lines, the orders that it held at its end, and the longest wait in seconds."""

    span: PauseSpan
    lines: tuple[CostLine, ...]
    orders_held: int
    longest_wait: float


def ended_spans(before: Switches, after: Switches) -> list[PauseSpan]:
    """Return the spans that a change has ended."""
    return [
        PauseSpan(scope, old.since, after.now, after.by_scope[scope].epoch)
        for scope, old in before.by_scope.items()
        if old.off and old.since is not None and not after.by_scope[scope].off
    ]


def count_cost(connection: Connection, span: PauseSpan) -> ScopeCost:
    """Count what a span costs, at its end or while it lasts.

    The ledger counts by minute: discards of an earlier pause in the span's first minute are included.
    """
    began = span.since.replace(second=0, microsecond=0)
    discarded = _sums(
        connection,
        select(ledger.c.shop, ledger.c.domain, func.sum(ledger.c["count"])).where(
            ledger.c.minute >= began,
            ledger.c.minute <= span.ended_at,
            ledger.c.outcome == Outcome.DISCARDED.value,
            _within(ledger, span.scope),
        ),
        ledger,
    )
    keys = left_keys(connection, span)
    lines = (CostLine(*scope, discarded.get(scope, 0), keys.get(scope, 0)) for scope in discarded.keys() | keys.keys())
    return ScopeCost(span, tuple(sorted(lines)), *_held(connection, span))


def left_keys(connection: Connection, span: PauseSpan) -> dict[Scope, int]:
    """Count the keys that were discarded in the span and are still missed, by shop and domain."""
    query = select(missed.c.shop, missed.c.domain, func.count()).where(*_discarded_in(span))
    return _sums(connection, query, missed)


def write_costs(connection: Connection, costs: Sequence[ScopeCost]) -> None:
    """Insert what pauses have cost; one that has cost no key is made good at its end."""
    for span, lines, held, wait in costs:
        shop, domain = span.scope
        made_good = None if any(line.keys for line in lines) else span.ended_at
        end = {"epoch": span.epoch, "shop": shop, "domain": domain, "since": span.since, "ended_at": span.ended_at}
        connection.execute(
            pause_ends.insert(), {**end, "orders_held": held, "longest_wait": wait, "made_good_at": made_good}
        )
        rows = [{"epoch": span.epoch, "scope_shop": shop, "scope_domain": domain, **line._asdict()} for line in lines]
        if rows:
            connection.execute(pause_lines.insert(), rows)


def has_unrepaired(fence: Fence) -> bool:
    """Return whether a pause has ended whose keys were not all made good when that was last noted."""
    with fence.glance() as connection:
        return bool(connection.scalar(_ANY_UNREPAIRED))


def note_repaired(fence: Fence) -> int:
    """Note the time for pauses whose last key has been made good; return their number."""
    query = select(pause_ends).where(pause_ends.c.made_good_at.is_(None)).order_by(pause_ends.c.epoch)
    with fence.snapshot() as connection:
        spans = [
            PauseSpan((row.shop, row.domain), row.since, row.ended_at, row.epoch)
            for row in connection.execute(query.limit(_AT_ONCE))
        ]
        repaired = [span for span in spans if not connection.scalar(select(exists(1).where(*_discarded_in(span))))]
    if repaired:
        with fence.shared() as connection:
            now = database_now(connection)
            for span in repaired:
                same = (pause_ends.c.epoch == span.epoch, _same_scope(span.scope))
                connection.execute(update(pause_ends).where(*same).values(made_good_at=now))
    return len(repaired)


def _same_scope(scope: Scope) -> ColumnElement[bool]:
    return (pause_ends.c.shop == scope[0]) & (pause_ends.c.domain == scope[1])


def _within(table: Table, scope: Scope) -> ColumnElement[bool]:
    shop = true() if scope[0] == ANY else table.c.shop == scope[0]
    domain = true() if scope[1] == ANY else table.c.domain == scope[1]
    return shop & domain


def _discarded_in(span: PauseSpan) -> tuple[ColumnElement[bool], ...]:
    return (
        _within(missed, span.scope),
        missed.c.discarded_at >= span.since,
        missed.c.discarded_at <= span.ended_at,
    )


def _sums(connection: Connection, query: Select[Any], table: Table) -> dict[Scope, int]:
    rows = connection.execute(query.group_by(table.c.shop, table.c.domain))
    return {(shop, domain): int(count) for shop, domain, count in rows}


def _held(connection: Connection, span: PauseSpan) -> tuple[int, float]:
    shop, domain = span.scope
    if domain not in (ANY, ORDERS):
        return 0, 0.0
    of_shop = true() if shop == ANY else orders.c.shop == shop
    first = func.min(orders.c.received_at, type_=UtcTime())
    query = select(func.count(), first).where(orders.c.state == OrderState.WAITING.value, of_shop)
    held, received_at = connection.execute(query.where(orders.c.received_at <= span.ended_at)).one()
    if not held:
        return 0, 0.0
    return held, max(0.0, (span.ended_at - max(received_at, span.since)).total_seconds())
