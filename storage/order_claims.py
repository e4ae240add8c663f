"""Claims of waiting orders: which shops have due ones, and which order leaves next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Row,
    Select,
    Text,
    and_,
    any_,
    bindparam,
    case,
    cast,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
    type_coerce,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from rules.orders import CANCELLING, NO_FAILURES, FailureHistory, OrderState
from schemas.domains import ORDERS
from schemas.order_notices import Notice
from storage.dialect import dump_rows, rowset
from storage.outbox import OrderNotice, add_notices
from storage.tables import orders, shops, workers
from storage.types import UtcTime

__all__ = ["CANCELLING_NOW", "ClaimedOrder", "DueShops", "any_due", "claim_first", "find_due"]

_CLAIMED = ("shop", "order_id", "attempts", "failures", "failing_since", "placed_at")
_NOW = bindparam("now", type_=UtcTime)
_ALIVE_WITHIN = timedelta(seconds=10)

CANCELLING_NOW = orders.c.cancellation.in_([each.value for each in CANCELLING])
_ROWID: ColumnElement[Any] = literal_column("orders.rowid")
_CTID: ColumnElement[Any] = literal_column("orders.ctid")


class ClaimedOrder(NamedTuple):
    """An order that this worker alone may send until its lease ends; `payload` is a JSON text."""

    shop: str
    order_id: str
    attempts: int
    payload: str
    history: FailureHistory = NO_FAILURES


class DueShops(NamedTuple):
    """The shops with due orders, those of them with orders never tried, and the number of workers that send orders."""

    shops: tuple[str, ...]
    untried: frozenset[str]
    senders: int


def any_due(connection: Connection) -> bool:
    """Return whether an order is due or its lease has ended, whether its shop is on or not; takes no lock."""
    return bool(connection.scalar(_any_due(connection.dialect.name), _clock(connection)))


def find_due(connection: Connection, now: datetime) -> DueShops:
    """Find the shops with due orders, untried ones first, after returning the orders whose lease has ended."""
    params = {"now": now, "heard": now - _ALIVE_WITHIN}
    rows = connection.execute(_FIND_DUE, params).all()
    if rows[0].lost:
        lost = connection.execute(_RETURN_LOST, params)
        notices = [
            OrderNotice(row.shop, row.order_id, Notice.CANCELLED, {"reason": row.cancel_reason})
            for row in lost
            if row.state == OrderState.CANCELLED
        ]
        if notices:
            add_notices(connection, notices, now)
        rows = connection.execute(_FIND_DUE, params).all()
    due = [row for row in rows if row.shop is not None]
    untried = frozenset(row.shop for row in due if row.attempts == 0)
    return DueShops(tuple(row.shop for row in due), untried, rows[0].senders)


def claim_first(
    connection: Connection, shares: Sequence[tuple[str, int]], now: datetime, until: datetime
) -> list[ClaimedOrder]:
    """Claim so many orders of each shop, in the given order of shops: fewest attempts first, then oldest."""
    rank = {shop: index for index, (shop, _) in enumerate(shares)}
    rows = list(_claim(connection, shares, {"now": now, "until": until}))
    rows.sort(key=lambda row: (rank[row.shop], row.attempts, row.placed_at, row.order_id))
    return [
        ClaimedOrder(row.shop, row.order_id, row.attempts, row.payload, FailureHistory(row.failures, row.failing_since))
        for row in rows
    ]


def _claim(connection: Connection, shares: Sequence[tuple[str, int]], params: dict[str, Any]) -> Iterator[Row[Any]]:
    dialect = connection.dialect.name
    if dialect == "postgresql":
        # One round trip, however many shops there are.
        rows = ({"of_shop": shop, "number": number} for shop, number in shares)
        yield from connection.execute(_CLAIM_OF_EACH, {"rows": dump_rows(dialect, rows), **params})
        return
    for shop, number in shares:
        yield from connection.execute(_CLAIM_OF_ONE, {"of_shop": shop, "number": number, **params})


def _is(state: OrderState) -> ColumnElement[bool]:
    # A literal: for a parameter no database can prove that the partial index of waiting orders applies.
    return orders.c.state == literal(state.value, literal_execute=True)


def _first_due(
    column: ColumnElement[Any], shop: ColumnElement[str], number: ColumnElement[int], now: ColumnElement[Any] = _NOW
) -> Select[Any]:
    due = select(column).where(orders.c.shop == shop, _due(now))
    return due.order_by(orders.c.attempts, orders.c.placed_at, orders.c.order_id).limit(number)


def _due(now: ColumnElement[Any]) -> ColumnElement[bool]:
    return and_(_is(OrderState.WAITING), or_(orders.c.next_attempt_at.is_(None), orders.c.next_attempt_at <= now))


def _lost(now: ColumnElement[Any]) -> ColumnElement[bool]:
    return and_(_is(OrderState.SENDING), orders.c.lease_until < now)


@cache
def _any_due(dialect: str) -> Select[Any]:
    # That of the transaction, which is this statement: as good as the moment, and a value that an index can be asked.
    now = func.now(type_=UtcTime) if dialect == "postgresql" else _NOW
    # Shop by shop: the order leads to the index of waiting orders, whatever the statistics say.
    first = _first_due(orders.c.attempts, shops.c.shop, literal(1), now).scalar_subquery()
    return select(or_(exists(1).where(_lost(now)), exists(select(shops.c.shop).where(first.is_not(None)))))


def _clock(connection: Connection) -> dict[str, Any]:
    return {} if connection.dialect.name == "postgresql" else {"now": datetime.now(UTC)}


def _of_each() -> Select[Any]:
    rows = rowset("postgresql", {"of_shop": Text(), "number": Integer()})
    first = _first_due(_CTID.label("place"), rows.columns["of_shop"], rows.columns["number"])
    # Orders that another worker is claiming are skipped, not waited for.
    lateral = first.with_for_update(skip_locked=True).correlate(rows.source).lateral("first_due")
    return select(lateral.c.place).select_from(rows.source.join(lateral, true()))


def _claiming(condition: ColumnElement[bool], payload: ColumnElement[str]) -> ReturningUpdate[Any]:
    """Return the claim; the payload comes as text, since it is only passed on: to read and write it costs more."""
    return (
        update(orders)
        .where(condition)
        .values(
            state=OrderState.SENDING.value,
            attempts=orders.c.attempts + 1,
            lease_until=bindparam("until", type_=UtcTime),
            next_attempt_at=None,
        )
        .returning(*(orders.c[name] for name in _CLAIMED), payload.label("payload"))
    )


def _finding_due() -> Select[Any]:
    """Return at least one row: the values for all shops, joined with each shop that has due orders."""
    # A JSON list of names: each stands between quotes, and no name contains a quote.
    delivers = cast(workers.c.domains, Text).contains(f'"{ORDERS}"')
    senders = select(func.count()).where(workers.c.last_seen > bindparam("heard", type_=UtcTime), delivers)
    overall = select(senders.scalar_subquery().label("senders"), exists(1).where(_LOST).label("lost")).subquery()
    attempts = _first_due(orders.c.attempts, shops.c.shop, literal(1)).scalar_subquery()
    due = select(shops.c.shop, attempts.label("attempts")).subquery()
    query = select(overall.c.senders, overall.c.lost, due.c.shop, due.c.attempts)
    return query.select_from(overall.outerjoin(due, due.c.attempts.is_not(None))).order_by(due.c.attempts, due.c.shop)


_LOST = _lost(_NOW)
_RETURN_LOST = (
    update(orders)
    .where(_LOST)
    .values(
        state=case((CANCELLING_NOW, OrderState.CANCELLED.value), else_=OrderState.WAITING.value),
        state_since=case((CANCELLING_NOW, _NOW), else_=orders.c.state_since),
        lease_until=None,
    )
    .returning(orders.c.shop, orders.c.order_id, orders.c.state, orders.c.cancel_reason)
)


# The selection is a CTE, so that it is made once: inside the condition its limit could apply to each row anew.
_OF_ONE = _first_due(_ROWID.label("place"), bindparam("of_shop"), bindparam("number")).cte("selection")


_OF_EACH = _of_each().cte("selection")


_CLAIM_OF_ONE = _claiming(_ROWID.in_(select(_OF_ONE.c.place)), type_coerce(orders.c.payload, Text))


# As one array of row addresses: with a join by key, the planner expects thousands of rows and scans the backlog.
_CLAIM_OF_EACH = _claiming(
    any_(func.array(select(_OF_EACH.c.place).scalar_subquery())) == _CTID, cast(orders.c.payload, Text)
)


_FIND_DUE = _finding_due()
