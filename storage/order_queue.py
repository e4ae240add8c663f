"""Hands out waiting orders under the fence, and writes down what became of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Executable,
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
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate
from sqlalchemy.types import TypeEngine

from rules.orders import OrderState, OrderUpdate
from rules.switches import Switches
from schemas.domains import ORDERS
from storage.dialect import dump_rows, rowset
from storage.fence import Fence
from storage.switches import EndsExpired, read_switches
from storage.tables import orders, shops, workers
from storage.types import UtcTime

__all__ = ["ClaimedOrder", "DeliveryRecord", "Due", "DueShops", "OrderQueue", "claim_oldest", "find_due"]
# What an attempt may take; a worker that died gives its orders back after it.
LEASE = timedelta(seconds=60)
_WRITTEN = ("state", "erp_number", "last_error", "next_attempt_at")
_NOW = bindparam("now", type_=UtcTime)
_HEARD_OF = timedelta(seconds=10)

_ROWID: ColumnElement[Any] = literal_column("orders.rowid")
_CTID: ColumnElement[Any] = literal_column("orders.ctid")


class ClaimedOrder(NamedTuple):
    """An order that is this worker's to send until its lease ends."""

    shop: str
    order_id: str
    attempts: int
    payload: dict[str, Any]


class DueShops(NamedTuple):
    """The shops with orders that are due, oldest first, and how many workers deliver orders."""

    shops: tuple[str, ...]
    senders: int


class Due(NamedTuple):
    """Which shops have orders to send, oldest first, which of them are stopped, and how many workers send."""

    open: tuple[str, ...]
    stopped: frozenset[str]
    workers: int


DeliveryRecord = tuple[ClaimedOrder, Callable[[datetime], OrderUpdate]]


class OrderQueue:
    """Claims orders for one worker; nothing is claimed of a shop whose orders are switched off."""

    def __init__(self, fence: Fence, switchboard: EndsExpired, lease: timedelta = LEASE) -> None:
        self._fence = fence
        self._switchboard = switchboard
        self._lease = lease

    def claim(
        self, share: Callable[[Due], Sequence[tuple[str, int]]], results: Sequence[DeliveryRecord] = ()
    ) -> list[ClaimedOrder]:
        """Claims orders, oldest first per shop: `share` says how many of which shop.

        Claiming and the switches are one transaction inside the fence: behind a pause nothing is claimed. Before it
        the `results` of earlier claims are recorded in the same one.
        """
        while True:
            with self._fence.shared() as connection:
                state = read_switches(connection)
                if not state.expired:
                    _write(connection, results, state.now)
                    due = self._due(connection, state)
                    wanted = [(shop, number) for shop, number in share(due) if shop not in due.stopped]
                    return claim_oldest(connection, wanted, state.now, state.now + self._lease) if wanted else []
            # A pause ran out: ended inside the fence, as for a batch.
            self._switchboard.end_expired()

    def record(self, results: Sequence[DeliveryRecord]) -> None:
        """Writes what became of claimed orders.

        One that a receipt or a later attempt has moved on is left alone, unless the ERP's number has come.
        """
        with self._fence.shared() as connection:
            _write(connection, results, read_switches(connection).now)

    @staticmethod
    def _due(connection: Connection, state: Switches) -> Due:
        shops, senders = find_due(connection, state.now)
        stopped = frozenset(shop for shop in shops if state.stops(shop, ORDERS))
        return Due(tuple(shop for shop in shops if shop not in stopped), stopped, senders)


def _write(connection: Connection, results: Sequence[DeliveryRecord], now: datetime) -> None:
    if not results:
        return
    dialect = connection.dialect.name
    rows = sorted(
        (
            {"shop": order.shop, "order_id": order.order_id, "attempts": order.attempts, **after(now)._asdict()}
            for order, after in results
        ),
        key=lambda row: (row["shop"], row["order_id"]),
    )
    connection.execute(_record(dialect), {"rows": dump_rows(dialect, rows), "now": now})


@cache
def _record(dialect: str) -> Executable:
    names = ("shop", "order_id", "attempts", *_WRITTEN)
    types: dict[str, TypeEngine[Any]] = {name: orders.c[name].type for name in names}
    given = rowset(dialect, types).columns
    state = given["state"]
    return (
        update(orders)
        .where(
            orders.c.shop == given["shop"],
            orders.c.order_id == given["order_id"],
            or_(
                and_(orders.c.attempts == given["attempts"], orders.c.state == OrderState.SENDING.value),
                # A number of the ERP counts, however late it comes.
                and_(state == OrderState.INTERNALIZED.value, orders.c.state != OrderState.INTERNALIZED.value),
            ),
        )
        .values(
            {name: given[name] for name in _WRITTEN}
            | {
                "lease_until": None,
                "sent_at": case((state == OrderState.SENT.value, _NOW), else_=orders.c.sent_at),
                "internalized_at": case((state == OrderState.INTERNALIZED.value, _NOW), else_=None),
            }
        )
    )


def find_due(connection: Connection, now: datetime) -> DueShops:
    """What there is to send now, with the orders of whoever let a lease run out back among it."""
    given = {"now": now, "heard": now - _HEARD_OF}
    rows = connection.execute(_LOOK, given).all()
    if rows[0].lost:
        connection.execute(_GIVE_BACK, given)
        rows = connection.execute(_LOOK, given).all()
    return DueShops(tuple(row.shop for row in rows if row.shop is not None), rows[0].senders)


def claim_oldest(
    connection: Connection, wanted: Sequence[tuple[str, int]], now: datetime, until: datetime
) -> list[ClaimedOrder]:
    """Claims so many of each shop, shop by shop as they were given, the oldest of each first."""
    turn = {shop: number for number, (shop, _) in enumerate(wanted)}
    rows = list(_claim(connection, wanted, {"now": now, "until": until}))
    rows.sort(key=lambda row: (turn[row.shop], row.placed_at, row.order_id))
    return [ClaimedOrder(row.shop, row.order_id, row.attempts, row.payload) for row in rows]


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


_DUE = and_(_is(OrderState.WAITING), or_(orders.c.next_attempt_at.is_(None), orders.c.next_attempt_at <= _NOW))


_LOST = and_(_is(OrderState.SENDING), orders.c.lease_until < _NOW)
_GIVE_BACK = update(orders).where(_LOST).values(state=OrderState.WAITING.value, lease_until=None)


# The choice stands apart, so that it is made once: inside the condition its limit could count for each row anew.
_OF_ONE = _oldest(_ROWID.label("place"), bindparam("of_shop"), bindparam("number")).cte("chosen")


_OF_EACH = _of_each().cte("chosen")


_CLAIM_OF_ONE = _claiming(_ROWID.in_(select(_OF_ONE.c.place)))


# As one array of places: joined by key, the planner takes a few rows for thousands, and reads the whole backlog.
_CLAIM_OF_EACH = _claiming(any_(func.array(select(_OF_EACH.c.place).scalar_subquery())) == _CTID)


_LOOK = _looking()
