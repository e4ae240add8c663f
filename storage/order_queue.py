"""Order queue: claims waiting orders under the fence, and records the result of each delivery attempt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Update,
    and_,
    bindparam,
    case,
    or_,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate
from sqlalchemy.types import TypeEngine

from rules.orders import CancelState, OrderState, OrderUpdate
from rules.switches import Switches
from schemas.domains import ORDERS
from schemas.order_notices import Notice
from storage.dialect import dump_rows, rowset
from storage.erp_faults import ErpFaults
from storage.fence import Fence
from storage.order_claims import CANCELLING_NOW, ClaimedOrder, any_due, claim_first, find_due
from storage.order_rows import OrderKey, since_change
from storage.outbox import OrderNotice, add_notices
from storage.switches import EndsExpired, read_switches
from storage.tables import orders
from storage.types import UtcTime

__all__ = ["DeliveryRecord", "Due", "OrderQueue"]
# The longest time of an attempt; the orders of a worker that died are free again after it.
LEASE = timedelta(seconds=60)
_WRITTEN = OrderUpdate._fields
_TOLD_OF = ("shop", "order_id", "state", "attempts", "erp_number", "last_error", "cancel_reason")
_NOW = bindparam("now", type_=UtcTime)


class Due(NamedTuple):
    """The shops with due orders that are on, those that are off, and the number of workers that send.

    `untried` are the shops with due orders that were never tried.
    """

    open: tuple[str, ...]
    stopped: frozenset[str]
    workers: int
    untried: frozenset[str] = frozenset()


DeliveryRecord = tuple[ClaimedOrder, Callable[[datetime], OrderUpdate]]


class OrderQueue:
    """Claims of orders for one worker, of shops whose orders are on."""

    def __init__(self, fence: Fence, switchboard: EndsExpired, lease: timedelta = LEASE) -> None:
        self._fence = fence
        self._switchboard = switchboard
        self._lease = lease
        self._faults = ErpFaults()

    def is_empty(self) -> bool:
        """Return whether no order is due, of any shop, and none has to be taken back; takes no lock."""
        with self._fence.glance() as connection:
            return not any_due(connection)

    def claim(
        self, share: Callable[[Due], Sequence[tuple[str, int]]], results: Sequence[DeliveryRecord] = ()
    ) -> list[ClaimedOrder]:
        """Claim orders, per shop those with the fewest attempts first, then the oldest; `share` returns their numbers.

        The switches are read and the orders claimed in one transaction inside the fence: after a pause nothing is
        claimed. The same transaction first records the `results` of earlier claims.
        """
        while True:
            with self._fence.shared() as connection:
                state = read_switches(connection)
                if not state.overdue:
                    self._write(connection, results, state.now)
                    due = self._due(connection, state)
                    shares = [(shop, number) for shop, number in share(due) if shop not in due.stopped]
                    return claim_first(connection, shares, state.now, state.now + self._lease) if shares else []
            # A pause has expired, or a planned one is due: it is ended or begun inside the fence, as for a batch.
            self._switchboard.end_expired()

    def record(self, results: Sequence[DeliveryRecord]) -> None:
        """Record the results of claimed orders.

        An order that a receipt or a later attempt has changed is left alone, unless the result has the ERP's number.
        """
        with self._fence.shared() as connection:
            self._write(connection, results, read_switches(connection).now)

    @staticmethod
    def _due(connection: Connection, state: Switches) -> Due:
        due = find_due(connection, state.now)
        stopped = frozenset(shop for shop in due.shops if state.stops(shop, ORDERS))
        return Due(tuple(shop for shop in due.shops if shop not in stopped), stopped, due.senders, due.untried)

    def _write(self, connection: Connection, results: Sequence[DeliveryRecord], now: datetime) -> None:
        if not results:
            return
        dialect = connection.dialect.name
        updates = [(order, update_at(now)) for order, update_at in results]
        rows = sorted(
            (
                {"shop": order.shop, "order_id": order.order_id, "attempts": order.attempts, **_values(update)}
                for order, update in updates
            ),
            key=lambda row: (row["shop"], row["order_id"]),
        )
        params = {"rows": dump_rows(dialect, rows), "now": now}
        if all(update.state is OrderState.SENT for _, update in updates):
            connection.execute(_record(dialect), params)
        else:
            changed = connection.execute(_record_and_tell(dialect), params)
            _tell(connection, changed.all(), {(row["shop"], row["order_id"]): row["state"] for row in rows}, now)
        self._faults.record(connection, [(order.shop, update) for order, update in updates], now)


def _tell(connection: Connection, changed: Sequence[Row[Any]], results: Mapping[OrderKey, str], now: datetime) -> None:
    """Write the notices of recorded attempts; `results` are the states that the attempts alone would lead to."""
    notices = []
    for row in changed:
        match row.state:
            case OrderState.INTERNALIZED:
                told, data = Notice.INTERNALIZED, {"erp_number": row.erp_number}
            case OrderState.REJECTED:
                told, data = Notice.REJECTED, {"reason": row.last_error}
            case OrderState.STUCK:
                told, data = Notice.STUCK, {"attempts": row.attempts, "reason": row.last_error}
            # An order that the ERP has both taken and cancelled was cancelled before: only its number is new.
            case OrderState.CANCELLED if results[row.shop, row.order_id] != OrderState.INTERNALIZED:
                told, data = Notice.CANCELLED, {"reason": row.cancel_reason}
            case _:
                continue
        notices.append(OrderNotice(row.shop, row.order_id, told, data))
    if notices:
        add_notices(connection, notices, now)


def _values(update: OrderUpdate) -> dict[str, Any]:
    """Return the values that are not null; a field that a row leaves out is null as well."""
    return {name: value for name, value in update._asdict().items() if value is not None}


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
                **_after_cancelling(state, rows["next_attempt_at"]),
                "lease_until": None,
                "sent_at": case((state == OrderState.SENT.value, _NOW), else_=orders.c.sent_at),
                "internalized_at": case((state == OrderState.INTERNALIZED.value, _NOW), else_=None),
            }
        )
    )


@cache
def _record_and_tell(dialect: str) -> ReturningUpdate[Any]:
    return _record(dialect).returning(*(orders.c[name] for name in _TOLD_OF))


def _after_cancelling(state: ColumnElement[str], next_attempt_at: ColumnElement[Any]) -> dict[str, Any]:
    """Return the values of an order that may have been cancelled while its attempt ran: it never leaves again."""
    arrived = state.in_([OrderState.SENT.value, OrderState.INTERNALIZED.value])
    confirmed = (state == OrderState.INTERNALIZED.value) & (orders.c.cancellation == CancelState.CONFIRMED.value)
    # The ERP has an order that was thought never to have left: it must hear of the cancellation.
    unheard = and_(arrived, orders.c.state == OrderState.CANCELLED.value, orders.c.cancellation.is_(None))
    refused = and_(CANCELLING_NOW, state == OrderState.REJECTED.value)
    after = case((or_(confirmed, and_(CANCELLING_NOW, ~arrived)), OrderState.CANCELLED.value), else_=state)
    return {
        "state": after,
        "state_since": since_change(after, _NOW),
        "next_attempt_at": case((CANCELLING_NOW, None), else_=next_attempt_at),
        "cancellation": case((refused, None), (unheard, CancelState.TELLING.value), else_=orders.c.cancellation),
        "cancel_due_at": case((refused, None), (unheard, _NOW), else_=orders.c.cancel_due_at),
    }
