"""Order queue: claims waiting orders under the fence, and records the result of each delivery attempt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Row,
    Select,
    Text,
    Update,
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
from schemas.order_notices import Notice
from storage.dialect import dump_rows, rowset
from storage.fence import Fence
from storage.outbox import OrderEvent, add_order_events
from storage.switches import EndsExpired, read_switches
from storage.tables import orders, shops, workers
from storage.types import UtcTime

__all__ = ["ClaimedOrder", "DeliveryRecord", "Due", "DueShops", "OrderQueue", "claim_oldest", "find_due"]
# The longest time of an attempt; the orders of a worker that died are free again after it.
LEASE = timedelta(seconds=60)
_WRITTEN = ("state", "erp_number", "last_error", "next_attempt_at")
# The states whose order's shop is told of a change to them.
_TOLD: dict[str, str] = {OrderState.INTERNALIZED: Notice.INTERNALIZED, OrderState.REJECTED: Notice.REJECTED}
_TOLD_OF = ("shop", "order_id", "state", "erp_number", "last_error")
_NOW = bindparam("now", type_=UtcTime)
_ALIVE_WITHIN = timedelta(seconds=10)

_ROWID: ColumnElement[Any] = literal_column("orders.rowid")
_CTID: ColumnElement[Any] = literal_column("orders.ctid")


class ClaimedOrder(NamedTuple):
    """An order that this worker alone may send until its lease ends."""

    shop: str
    order_id: str
    attempts: int
    payload: dict[str, Any]


class DueShops(NamedTuple):
    """The shops with due orders, oldest first, and the number of workers that deliver orders."""

    shops: tuple[str, ...]
    senders: int


class Due(NamedTuple):
    """The shops with due orders, oldest first, those of them that are off, and the number of workers that send."""

    open: tuple[str, ...]
    stopped: frozenset[str]
    workers: int


DeliveryRecord = tuple[ClaimedOrder, Callable[[datetime], OrderUpdate]]


class OrderQueue:
    """Claims of orders for one worker, of shops whose orders are on."""

    def __init__(self, fence: Fence, switchboard: EndsExpired, lease: timedelta = LEASE) -> None:
        self._fence = fence
        self._switchboard = switchboard
        self._lease = lease

    def claim(
        self, share: Callable[[Due], Sequence[tuple[str, int]]], results: Sequence[DeliveryRecord] = ()
    ) -> list[ClaimedOrder]:
        """Claim orders, oldest first per shop; `share` returns the number to claim of each shop.

        The switches are read and the orders claimed in one transaction inside the fence: after a pause nothing is
        claimed. The same transaction first records the `results` of earlier claims.
        """
        while True:
            with self._fence.shared() as connection:
                state = read_switches(connection)
                if not state.expired:
                    _write(connection, results, state.now)
                    due = self._due(connection, state)
                    shares = [(shop, number) for shop, number in share(due) if shop not in due.stopped]
                    return claim_oldest(connection, shares, state.now, state.now + self._lease) if shares else []
            # A pause has expired: it is ended inside the fence, as for a batch.
            self._switchboard.end_expired()

    def record(self, results: Sequence[DeliveryRecord]) -> None:
        """Record the results of claimed orders.

        An order that a receipt or a later attempt has changed is left alone, unless the result has the ERP's number.
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
            {"shop": order.shop, "order_id": order.order_id, "attempts": order.attempts, **update_at(now)._asdict()}
            for order, update_at in results
        ),
        key=lambda row: (row["shop"], row["order_id"]),
    )
    params = {"rows": dump_rows(dialect, rows), "now": now}
    if not any(row["state"] in _TOLD for row in rows):
        connection.execute(_record(dialect), params)
        return
    changed = connection.execute(_record(dialect).returning(*(orders.c[name] for name in _TOLD_OF)), params).all()
    events = [_event(row) for row in changed if row.state in _TOLD]
    if events:
        add_order_events(connection, events, now)


def _event(row: Row[Any]) -> OrderEvent:
    data = {"erp_number": row.erp_number} if row.state == OrderState.INTERNALIZED else {"reason": row.last_error}
    return OrderEvent(row.shop, row.order_id, _TOLD[row.state], data)


@cache
def _record(dialect: str) -> Update:
    names = ("shop", "order_id", "attempts", *_WRITTEN)
    types: dict[str, TypeEngine[Any]] = {name: orders.c[name].type for name in names}
    rows = rowset(dialect, types).columns
    state = rows["state"]
    return (
        update(orders)
        .where(
            orders.c.shop == rows["shop"],
            orders.c.order_id == rows["order_id"],
            or_(
                and_(orders.c.attempts == rows["attempts"], orders.c.state == OrderState.SENDING.value),
                # A number of the ERP is recorded, however late it comes.
                and_(state == OrderState.INTERNALIZED.value, orders.c.state != OrderState.INTERNALIZED.value),
            ),
        )
        .values(
            {name: rows[name] for name in _WRITTEN}
            | {
                "lease_until": None,
                "sent_at": case((state == OrderState.SENT.value, _NOW), else_=orders.c.sent_at),
                "internalized_at": case((state == OrderState.INTERNALIZED.value, _NOW), else_=None),
            }
        )
    )


def find_due(connection: Connection, now: datetime) -> DueShops:
    """Find the shops with due orders, after returning the orders whose lease has ended to the queue."""
    params = {"now": now, "heard": now - _ALIVE_WITHIN}
    rows = connection.execute(_FIND_DUE, params).all()
    if rows[0].lost:
        connection.execute(_RETURN_LOST, params)
        rows = connection.execute(_FIND_DUE, params).all()
    return DueShops(tuple(row.shop for row in rows if row.shop is not None), rows[0].senders)


def claim_oldest(
    connection: Connection, shares: Sequence[tuple[str, int]], now: datetime, until: datetime
) -> list[ClaimedOrder]:
    """Claim the given number of orders of each shop, in the given order of shops, oldest first."""
    rank = {shop: index for index, (shop, _) in enumerate(shares)}
    rows = list(_claim(connection, shares, {"now": now, "until": until}))
    rows.sort(key=lambda row: (rank[row.shop], row.placed_at, row.order_id))
    return [ClaimedOrder(row.shop, row.order_id, row.attempts, row.payload) for row in rows]


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


def _oldest(column: ColumnElement[Any], shop: ColumnElement[str], number: ColumnElement[int]) -> Select[Any]:
    return (
        select(column).where(orders.c.shop == shop, _DUE).order_by(orders.c.placed_at, orders.c.order_id).limit(number)
    )


def _of_each() -> Select[Any]:
    rows = rowset("postgresql", {"of_shop": Text(), "number": Integer()})
    oldest = _oldest(_CTID.label("place"), rows.columns["of_shop"], rows.columns["number"])
    # Orders that another worker is claiming are skipped, not waited for.
    lateral = oldest.with_for_update(skip_locked=True).correlate(rows.source).lateral("oldest")
    return select(lateral.c.place).select_from(rows.source.join(lateral, true()))


def _claiming(condition: ColumnElement[bool]) -> ReturningUpdate[Any]:
    return (
        update(orders)
        .where(condition)
        .values(
            state=OrderState.SENDING.value,
            attempts=orders.c.attempts + 1,
            lease_until=bindparam("until", type_=UtcTime),
            next_attempt_at=None,
        )
        .returning(orders.c.shop, orders.c.order_id, orders.c.attempts, orders.c.payload, orders.c.placed_at)
    )


def _finding_due() -> Select[Any]:
    """Return at least one row: the values for all shops, joined with each shop that has due orders."""
    # A JSON list of names: each stands between quotes, and no name contains a quote.
    delivers = cast(workers.c.domains, Text).contains(f'"{ORDERS}"')
    senders = select(func.count()).where(workers.c.last_seen > bindparam("heard", type_=UtcTime), delivers)
    overall = select(senders.scalar_subquery().label("senders"), exists(1).where(_LOST).label("lost")).subquery()
    oldest = _oldest(orders.c.placed_at, shops.c.shop, literal(1)).scalar_subquery()
    due = select(shops.c.shop, oldest.label("oldest")).subquery()
    query = select(overall.c.senders, overall.c.lost, due.c.shop)
    return query.select_from(overall.outerjoin(due, due.c.oldest.is_not(None))).order_by(due.c.oldest, due.c.shop)


_DUE = and_(_is(OrderState.WAITING), or_(orders.c.next_attempt_at.is_(None), orders.c.next_attempt_at <= _NOW))


_LOST = and_(_is(OrderState.SENDING), orders.c.lease_until < _NOW)
_RETURN_LOST = update(orders).where(_LOST).values(state=OrderState.WAITING.value, lease_until=None)


# The selection is a CTE, so that it is made once: inside the condition its limit could apply to each row anew.
_OF_ONE = _oldest(_ROWID.label("place"), bindparam("of_shop"), bindparam("number")).cte("selection")


_OF_EACH = _of_each().cte("selection")


_CLAIM_OF_ONE = _claiming(_ROWID.in_(select(_OF_ONE.c.place)))


# As one array of row addresses: with a join by key, the planner expects thousands of rows and scans the backlog.
_CLAIM_OF_EACH = _claiming(any_(func.array(select(_OF_EACH.c.place).scalar_subquery())) == _CTID)


_FIND_DUE = _finding_due()
