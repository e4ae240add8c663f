"""Which waiting orders are due, and who has them: the statements behind a claim."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
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
    cast,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from rules.orders import OrderState
from schemas.domains import ORDERS
from storage.dialect import dump_rows, rowset
from storage.tables import orders, shops, workers
from storage.types import UtcTime

__all__ = ["Claimed", "Looked", "claim_oldest", "look"]

_HEARD_OF = timedelta(seconds=10)


class Claimed(NamedTuple):
    """An order that is this worker's to send until its lease ends."""

    shop: str
    order_id: str
    attempts: int
    payload: dict[str, Any]


class Looked(NamedTuple):
    """The shops with orders that are due, oldest first, and how many workers deliver orders."""

    shops: tuple[str, ...]
    senders: int


def look(connection: Connection, now: datetime) -> Looked:
    """What there is to send now, with the orders of whoever let a lease run out back among it."""
    given = {"now": now, "heard": now - _HEARD_OF}
    rows = connection.execute(_LOOK, given).all()
    if rows[0].lost:
        connection.execute(_GIVE_BACK, given)
        rows = connection.execute(_LOOK, given).all()
    return Looked(tuple(row.shop for row in rows if row.shop is not None), rows[0].senders)


def claim_oldest(
    connection: Connection, wanted: Sequence[tuple[str, int]], now: datetime, until: datetime
) -> list[Claimed]:
    """Claims so many of each shop, shop by shop as they were given, the oldest of each first."""
    turn = {shop: number for number, (shop, _) in enumerate(wanted)}
    rows = list(_claim(connection, wanted, {"now": now, "until": until}))
    rows.sort(key=lambda row: (turn[row.shop], row.placed_at, row.order_id))
    return [Claimed(row.shop, row.order_id, row.attempts, row.payload) for row in rows]


def _claim(connection: Connection, wanted: Sequence[tuple[str, int]], given: dict[str, Any]) -> Iterator[Row[Any]]:
    dialect = connection.dialect.name
    if dialect == "postgresql":
        # One round trip, however many shops there are.
        named = ({"of_shop": shop, "number": number} for shop, number in wanted)
        yield from connection.execute(_CLAIM_OF_EACH, {"rows": dump_rows(dialect, named), **given})
        return
    for shop, number in wanted:
        yield from connection.execute(_CLAIM_OF_ONE, {"of_shop": shop, "number": number, **given})


def _is(state: OrderState) -> ColumnElement[bool]:
    # Spelt out: of a parameter no database can tell that it fits an index of waiting orders only.
    return orders.c.state == literal(state.value, literal_execute=True)


def _oldest(wanted: ColumnElement[Any], shop: ColumnElement[str], number: ColumnElement[int]) -> Select[Any]:
    return (
        select(wanted).where(orders.c.shop == shop, _DUE).order_by(orders.c.placed_at, orders.c.order_id).limit(number)
    )


def _of_each() -> Select[Any]:
    given = rowset("postgresql", {"of_shop": Text(), "number": Integer()})
    oldest = _oldest(_CTID.label("place"), given.columns["of_shop"], given.columns["number"])
    # What another worker is claiming is passed over, not waited for.
    each = oldest.with_for_update(skip_locked=True).correlate(given.source).lateral("oldest")
    return select(each.c.place).select_from(given.source.join(each, true()))


def _claiming(chosen: ColumnElement[bool]) -> ReturningUpdate[Any]:
    return (
        update(orders)
        .where(chosen)
        .values(
            state=OrderState.SENDING.value,
            attempts=orders.c.attempts + 1,
            lease_until=bindparam("until", type_=UtcTime),
            next_attempt_at=None,
        )
        .returning(orders.c.shop, orders.c.order_id, orders.c.attempts, orders.c.payload, orders.c.placed_at)
    )


def _looking() -> Select[Any]:
    """One row at least: what holds for all shops, beside each shop that has something due."""
    # A list of names in JSON: each stands between quotes, and no name holds one.
    delivers = cast(workers.c.domains, Text).contains(f'"{ORDERS}"')
    senders = select(func.count()).where(workers.c.last_seen > bindparam("heard", type_=UtcTime), delivers)
    once = select(senders.scalar_subquery().label("senders"), exists(1).where(_LOST).label("lost")).subquery()
    oldest = _oldest(orders.c.placed_at, shops.c.shop, literal(1)).scalar_subquery()
    due = select(shops.c.shop, oldest.label("oldest")).subquery()
    found = select(once.c.senders, once.c.lost, due.c.shop)
    return found.select_from(once.outerjoin(due, due.c.oldest.is_not(None))).order_by(due.c.oldest, due.c.shop)


_NOW = bindparam("now", type_=UtcTime)
_DUE = and_(_is(OrderState.WAITING), or_(orders.c.next_attempt_at.is_(None), orders.c.next_attempt_at <= _NOW))
_LOST = and_(_is(OrderState.SENDING), orders.c.lease_until < _NOW)
_GIVE_BACK = update(orders).where(_LOST).values(state=OrderState.WAITING.value, lease_until=None)
_ROWID: ColumnElement[Any] = literal_column("orders.rowid")
_CTID: ColumnElement[Any] = literal_column("orders.ctid")
# The choice stands apart, so that it is made once: inside the condition its limit could count for each row anew.
_OF_ONE = _oldest(_ROWID.label("place"), bindparam("of_shop"), bindparam("number")).cte("chosen")
_OF_EACH = _of_each().cte("chosen")
_CLAIM_OF_ONE = _claiming(_ROWID.in_(select(_OF_ONE.c.place)))
# As one array of places: joined by key, the planner takes a few rows for thousands, and reads the whole backlog.
_CLAIM_OF_EACH = _claiming(any_(func.array(select(_OF_EACH.c.place).scalar_subquery())) == _CTID)
_LOOK = _looking()
