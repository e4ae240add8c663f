"""Acceptance of quarantined orders by an operator, as they are."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import delete, select, update

from rules.actions import Conflict, publisher_headers
from schemas.binary import amqp_attributes
from schemas.domains import NO_SHOP, ORDERS
from schemas.events import STRUCTURED
from schemas.orders import ReceivedOrder, parse_as_is
from schemas.reasons import Refused
from storage.audit import AuditEntry, record_action
from storage.dialect import database_now
from storage.fence import Fence
from storage.order_store import accept_orders
from storage.outbox import OrderNotice, add_notices
from storage.shops import add_shops
from storage.tables import orders, quarantine
from storage.types import utc_text

__all__ = ["AcceptedOrder", "OrderAcceptance"]


class AcceptedOrder(NamedTuple):
    """The order that was accepted, and the state it has now."""

    shop: str
    order_id: str
    state: str


class OrderAcceptance:
    """Orders that were refused for a contradiction, taken all the same: a paid order is never lost to a sum."""

    def __init__(self, fence: Fence) -> None:
        self._fence = fence

    def accept(self, entry: AuditEntry, identity: str) -> AcceptedOrder | None:
        """Store a quarantined order, mark it and end its quarantine; None if there is no such message.

        Raises `Conflict` if it is no order, if other faults than sums and check digits are in it, or if an order with
        its id has come since.
        """
        with self._fence.shared() as connection:
            message = connection.execute(
                select(quarantine).where(quarantine.c.id == identity).with_for_update()
            ).one_or_none()
            if message is None:
                return None
            now = database_now(connection)
            if message.lease_until is not None and message.lease_until > now:
                raise Conflict(f"a replay of {identity} is running; try again in half a minute")
            order = _read(message)
            key = (order.shop, order.order_id)
            notices: list[OrderNotice] = []
            new, known = accept_orders(connection, {key: order}, notices, now)
            if not new and known[key].digest != order.digest:
                raise Conflict("an order with this id and other content has come from the shop: it stays as it is")
            mark = {
                "by": entry.context.user_id or entry.context.by,
                "at": utc_text(now),
                "reason": entry.context.reason,
                "refusal": {name: getattr(message, name) for name in ("reason", "pointer", "sentence")},
            }
            accepted = update(orders).where(orders.c.shop == order.shop, orders.c.order_id == order.order_id)
            state = connection.execute(accepted.values(accepted_as_is=mark).returning(orders.c.state)).scalar_one()
            connection.execute(delete(quarantine).where(quarantine.c.id == identity))
            if notices:
                add_notices(connection, notices, now)
            add_shops(connection, {order.shop}, now)
            record_action(connection, entry._replace(shop=order.shop, domain=ORDERS, subject=order.order_id), 1)
            return AcceptedOrder(order.shop, order.order_id, state)


def _read(message: Any) -> ReceivedOrder:
    if message.domain != ORDERS:
        raise Conflict("it is no order: only orders can be accepted as they are; correct it and send it again")
    if message.shop == NO_SHOP:
        raise Conflict("its routing key names no shop: only its publisher can send it again, under a valid one")
    structured = message.content_type.partition(";")[0].strip().lower() == STRUCTURED
    try:
        attributes = None if structured else amqp_attributes(publisher_headers(message.headers))
        return parse_as_is(message.shop, message.body, attributes)
    except Refused as refused:
        raise Conflict(f"it can't be accepted as it is: {refused.refusal}") from None
