"""Lets orders be sent again that wait for a person: one, or all of a kind."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select, tuple_, update

from rules.orders import OrderState
from schemas.domains import ORDERS
from storage.audit import AuditEntry, add_count, record_action
from storage.dialect import database_now
from storage.fence import Fence
from storage.order_store import OrderKey
from storage.tables import orders
from storage.views import OrderFilter
from storage.views.pagination import Moment

__all__ = ["OrderRetries"]

_AT_ONCE = 500
# The ERP knows an order by its id, so that sending it again is harmless; what is being sent or done is left alone.
_MAY_BE_SENT = (OrderState.REJECTED.value, OrderState.SENT.value, OrderState.WAITING.value)


class OrderRetries:
    """What may be done with orders."""

    def __init__(self, fence: Fence, receipt_timeout: timedelta) -> None:
        self._fence = fence
        self._receipt_timeout = receipt_timeout

    def retry(self, act: AuditEntry, shop: str, order_id: str) -> bool:
        """Lets one order be sent again; whether there is such a one that may be."""
        where = (orders.c.shop == shop, orders.c.order_id == order_id, orders.c.state.in_(_MAY_BE_SENT))
        with self._fence.shared() as connection:
            found = connection.execute(_again(*where)).rowcount > 0
            if found:
                record_action(connection, act._replace(shop=shop, domain=ORDERS, subject=order_id), 1)
            return found

    def count(self, filter: OrderFilter) -> int:
        """How many orders that is now."""
        with self._fence.snapshot() as connection:
            return (
                connection.scalar(select(func.count()).select_from(orders).where(*self._where(connection, filter))) or 0
            )

    def retry_some(self, act: str, filter: OrderFilter, after: OrderKey) -> tuple[int, OrderKey | None]:
        """Lets some orders behind a key be sent again and counts them in the audit; the key to go on behind, or None.

        In pieces: an update of all in one would keep a pause waiting for the fence.
        """
        key = tuple_(orders.c.shop, orders.c.order_id)
        some = select(orders.c.shop, orders.c.order_id).order_by(orders.c.shop, orders.c.order_id)
        with self._fence.shared() as connection:
            some = some.where(*self._where(connection, filter), key > tuple_(*after))
            found: list[Any] = list(connection.execute(some.limit(_AT_ONCE).with_for_update(skip_locked=True)))
            if not found:
                return 0, None
            keys = [(row.shop, row.order_id) for row in found]
            connection.execute(_again(key.in_(keys)))
            add_count(connection, act, len(keys))
            return len(keys), keys[-1]

    def _where(self, connection: Connection, filter: OrderFilter) -> list[ColumnElement[bool]]:
        where = filter.where(Moment(database_now(connection), self._receipt_timeout))
        if filter.state == OrderState.WAITING:
            # The others go as soon as they may; these wait for another attempt.
            where.append(orders.c.next_attempt_at.is_not(None))
        return where


def _again(*where: ColumnElement[bool]) -> Any:
    return update(orders).where(*where).values(state=OrderState.WAITING.value, next_attempt_at=None)
