"""Order changes by an operator (hold, release, cancel): one order, or all that pass a filter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, func, or_, select, tuple_

from rules.cancellations import HOLDABLE, cancel_again, hold, release
from rules.orders import CANCELLING, CancelState, OrderRecord, OrderState
from schemas.domains import ORDERS
from schemas.order_news import Cancellation
from storage.audit import AuditEntry, add_count, record_action
from storage.dialect import database_now
from storage.fence import Fence
from storage.order_rows import OrderKey, read_orders, write_settled
from storage.outbox import add_notices, change_notices
from storage.tables import orders
from storage.views import OrderFilter
from storage.views.pagination import Moment

__all__ = ["Change", "OrderChanges"]

Change = Literal["hold", "release", "cancel"]
Rule = Callable[[OrderRecord, OrderKey, str | None, datetime], OrderRecord | None]
_AT_ONCE = 500


def _cancel(record: OrderRecord, key: OrderKey, reason: str | None, now: datetime) -> OrderRecord | None:
    return cancel_again(record, Cancellation(*key, "", reason, None), now)


_RULES: Mapping[Change, Rule] = {
    "hold": lambda record, _key, _reason, _now: hold(record),
    "release": lambda record, _key, _reason, _now: release(record),
    "cancel": _cancel,
}
_CANCELLABLE = (
    orders.c.state != OrderState.CANCELLED.value,
    or_(
        orders.c.cancellation.is_(None),
        orders.c.cancellation.in_([CancelState.REFUSED.value, CancelState.CANCEL_REQUESTED.value]),
    ),
)
# The same conditions in SQL, to count and to find them.
_CONDITIONS: Mapping[Change, tuple[ColumnElement[bool], ...]] = {
    "hold": (
        orders.c.state.in_([state.value for state in HOLDABLE]),
        or_(orders.c.cancellation.is_(None), orders.c.cancellation.not_in([each.value for each in CANCELLING])),
    ),
    "release": (orders.c.state == OrderState.HELD.value,),
    "cancel": _CANCELLABLE,
}


class OrderChanges:
    """Changes of orders that are not done, each audited."""

    def __init__(self, fence: Fence, receipt_timeout: timedelta) -> None:
        self._fence = fence
        self._receipt_timeout = receipt_timeout

    def change(self, change: Change, entry: AuditEntry, shop: str, order_id: str) -> bool | None:
        """Change one order; return whether its state allows it, or None if it does not exist."""
        with self._fence.shared() as connection:
            key = (shop, order_id)
            number, known = _apply(connection, change, {key}, entry.context.reason)
            if number:
                record_action(connection, entry._replace(shop=shop, domain=ORDERS, subject=order_id), 1)
            return bool(number) if known else None

    def count(self, change: Change, filter: OrderFilter) -> int:
        """Return the number of orders that a change would affect now."""
        with self._fence.snapshot() as connection:
            where = self._where(connection, change, filter)
            return connection.scalar(select(func.count()).select_from(orders).where(*where)) or 0

    def change_batch(
        self, change: Change, audit_id: str, reason: str | None, filter: OrderFilter, after: OrderKey
    ) -> tuple[int, OrderKey | None]:
        """Change some orders after a key, and add them to the count in the audit.

        Returns their number and the key of the last, or None when none is left. In batches: one change of all would
        keep a pause waiting for the fence.
        """
        key = tuple_(orders.c.shop, orders.c.order_id)
        query = select(orders.c.shop, orders.c.order_id).order_by(orders.c.shop, orders.c.order_id)
        with self._fence.shared() as connection:
            query = query.where(*self._where(connection, change, filter), key > tuple_(*after)).limit(_AT_ONCE)
            keys = [(row.shop, row.order_id) for row in connection.execute(query)]
            if not keys:
                return 0, None
            # Read again under a lock: an order that has left meanwhile is judged by what it is now.
            number, _ = _apply(connection, change, set(keys), reason)
            add_count(connection, audit_id, number)
            return number, keys[-1]

    def _where(self, connection: Connection, change: Change, filter: OrderFilter) -> list[Any]:
        return [*filter.where(Moment(database_now(connection), self._receipt_timeout)), *_CONDITIONS[change]]


def _apply(connection: Connection, change: Change, keys: set[OrderKey], reason: str | None) -> tuple[int, bool]:
    """Change the orders whose state allows it; return their number, and whether any order exists."""
    now = database_now(connection)
    known = read_orders(connection, keys)
    rule = _RULES[change]
    changed = {key: order for key, record in known.items() if (order := rule(record, key, reason, now)) is not None}
    if changed:
        write_settled(connection, changed, now)
        notices = [notice for key, order in changed.items() for notice in change_notices(key, known[key], order)]
        if notices:
            add_notices(connection, notices, now)
    return len(changed), bool(known)
