"""Lets orders be sent again that wait for a person: one, or all of a kind."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, func, select, tuple_, update

from rules.orders import OrderState
from schemas.domains import ORDERS
from storage.audit import AuditEntry, add_count, record_action
from storage.fence import Fence
from storage.tables import orders

__all__ = ["OrderKey", "OrderRetries", "Retryable"]

OrderKey = tuple[str, str]
_AT_ONCE = 500
# The ERP knows an order by its id, so that sending it again is harmless; what is being sent or done is left alone.
_MAY_BE_SENT = (OrderState.REJECTED.value, OrderState.SENT.value, OrderState.WAITING.value)


class Retryable(NamedTuple):
    """Which orders: those of a state (rejected, sent or waiting for another attempt), of a shop or of all."""

    state: OrderState = OrderState.REJECTED
    shop: str | None = None

    def __str__(self) -> str:
        return f"state={self.state.value}" + (f" shop={self.shop}" if self.shop else "")


class OrderRetries:
    """What may be done with orders."""

    def __init__(self, fence: Fence) -> None:
        self._fence = fence

    def retry(self, act: AuditEntry, shop: str, order_id: str) -> bool:
        """Lets one order be sent again; whether there is such a one that may be."""
        where = (orders.c.shop == shop, orders.c.order_id == order_id, orders.c.state.in_(_MAY_BE_SENT))
        with self._fence.shared() as connection:
            found = connection.execute(_again(*where)).rowcount > 0
            if found:
                record_action(connection, act._replace(shop=shop, domain=ORDERS, subject=order_id), 1)
            return found

    def count(self, which: Retryable) -> int:
        """How many orders that is now."""
        with self._fence.snapshot() as connection:
            return connection.scalar(select(func.count()).select_from(orders).where(*_where(which))) or 0

    def retry_some(self, act: str, which: Retryable, after: OrderKey) -> tuple[int, OrderKey | None]:
        """Lets some orders behind a key be sent again and counts them in the audit; the key to go on behind, or None.

        In pieces: an update of all in one would keep a pause waiting for the fence.
        """
        key = tuple_(orders.c.shop, orders.c.order_id)
        where = (*_where(which), key > tuple_(*after))
        some = select(orders.c.shop, orders.c.order_id).where(*where).order_by(orders.c.shop, orders.c.order_id)
        with self._fence.shared() as connection:
            found: list[Any] = list(connection.execute(some.limit(_AT_ONCE).with_for_update(skip_locked=True)))
            if not found:
                return 0, None
            keys = [(row.shop, row.order_id) for row in found]
            connection.execute(_again(key.in_(keys)))
            add_count(connection, act, len(keys))
            return len(keys), keys[-1]


def _again(*where: ColumnElement[bool]) -> Any:
    return update(orders).where(*where).values(state=OrderState.WAITING.value, next_attempt_at=None)


def _where(which: Retryable) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = [orders.c.state == which.state.value]
    if which.state is OrderState.WAITING:
        # The others go as soon as they may; these wait for another attempt.
        where.append(orders.c.next_attempt_at.is_not(None))
    return where if which.shop is None else [*where, orders.c.shop == which.shop]
