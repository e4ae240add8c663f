"""Order retries by an operator: one order, or all that pass a filter."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, literal, or_, select, tuple_, update

from rules.orders import CANCELLING, NO_FAILURES, RETRYABLE, OrderState
from schemas.domains import ORDERS
from storage.audit import AuditEntry, add_count, record_action
from storage.dialect import database_now
from storage.fence import Fence
from storage.order_rows import OrderKey, since_change
from storage.tables import orders
from storage.types import UtcTime
from storage.views import OrderFilter
from storage.views.pagination import Moment

__all__ = ["OrderRetries"]

_AT_ONCE = 500
# The ERP knows an order by its id, so sending it again is harmless; orders in flight or internalized are not touched.
_MAY_BE_SENT = tuple(state.value for state in RETRYABLE)
_NOT_CANCELLED = or_(orders.c.cancellation.is_(None), orders.c.cancellation.not_in([each.value for each in CANCELLING]))


class OrderRetries:
    """Retries of orders that are neither internalized nor being sent."""

    def __init__(self, fence: Fence, receipt_timeout: timedelta) -> None:
        self._fence = fence
        self._receipt_timeout = receipt_timeout

    def retry(self, entry: AuditEntry, shop: str, order_id: str) -> bool:
        """Make one order due at once; return whether it exists and may be sent."""
        where = (orders.c.shop == shop, orders.c.order_id == order_id, orders.c.state.in_(_MAY_BE_SENT), _NOT_CANCELLED)
        with self._fence.shared() as connection:
            retried = connection.execute(_make_due(database_now(connection), *where)).rowcount > 0
            if retried:
                record_action(connection, entry._replace(shop=shop, domain=ORDERS, subject=order_id), 1)
            return retried

    def count(self, filter: OrderFilter) -> int:
        """Return the number of orders that pass the filter now."""
        with self._fence.snapshot() as connection:
            return (
                connection.scalar(select(func.count()).select_from(orders).where(*self._where(connection, filter))) or 0
            )

    def retry_batch(self, audit_id: str, filter: OrderFilter, after: OrderKey) -> tuple[int, OrderKey | None]:
        """Make some orders after a key due at once, and add them to the count in the audit.

        Returns their number and the key of the last, or None when none is left. In batches: one update of all would
        keep a pause waiting for the fence.
        """
        key = tuple_(orders.c.shop, orders.c.order_id)
        query = select(orders.c.shop, orders.c.order_id).order_by(orders.c.shop, orders.c.order_id)
        with self._fence.shared() as connection:
            query = query.where(*self._where(connection, filter), key > tuple_(*after))
            rows: list[Any] = list(connection.execute(query.limit(_AT_ONCE).with_for_update(skip_locked=True)))
            if not rows:
                return 0, None
            keys = [(row.shop, row.order_id) for row in rows]
            connection.execute(_make_due(database_now(connection), key.in_(keys)))
            add_count(connection, audit_id, len(keys))
            return len(keys), keys[-1]

    def _where(self, connection: Connection, filter: OrderFilter) -> list[ColumnElement[bool]]:
        where = [*filter.where(Moment(database_now(connection), self._receipt_timeout)), _NOT_CANCELLED]
        if filter.state is None:
            where.append(orders.c.state.in_(_MAY_BE_SENT))
        if filter.state == OrderState.WAITING:
            # A new order is due anyway; only a failed one waits for the time of its next attempt.
            where.append(orders.c.next_attempt_at.is_not(None))
        return where


def _make_due(now: datetime, *where: ColumnElement[bool]) -> Any:
    failures, since = NO_FAILURES
    waiting = literal(OrderState.WAITING.value)
    values: dict[str, Any] = {"state": waiting, "next_attempt_at": None, "failures": failures, "failing_since": since}
    values["state_since"] = since_change(waiting, literal(now, type_=UtcTime()))
    return update(orders).where(*where).values(values)
