"""Orders from shops and receipts from ERPs: accepted whether the integration is on or off."""

from __future__ import annotations

import threading
from functools import partial

from consumers.decode import check_properties, reject, shop_of
from consumers.delivery import Delivery
from consumers.observer import Observe, unobserved
from consumers.source import Intake
from consumers.worker import Worker
from rules.outcomes import Told
from schemas.domains import ORDERS
from schemas.orders import parse_order, parse_receipt
from schemas.reasons import Refused
from schemas.topology import ORDERS_QUEUE, RECEIPTS_QUEUE
from storage.order_store import OrderItem, OrderStore

__all__ = ["RECEIPTS", "decode_order", "orders_worker"]

RECEIPTS = "receipts"


def orders_worker(
    url: str, intake: Intake, store: OrderStore, stop: threading.Event, observe: Observe = unobserved
) -> Worker:
    """Accepts orders and receipts; a session of its own, so that no backlog of events holds them up."""
    return Worker(url, "orders", [ORDERS_QUEUE, RECEIPTS_QUEUE], intake, decode_order, store, stop, observe)


def decode_order(delivery: Delivery) -> OrderItem:
    """What a delivery says of an order, decided without the database."""
    domain, parse = (ORDERS, parse_order) if delivery.queue == ORDERS_QUEUE else (RECEIPTS, parse_receipt)
    try:
        attributes = check_properties(delivery.properties)
        message = parse(shop_of(delivery, domain), delivery.body, attributes)
    except Refused as refused:
        return reject(delivery, refused.refusal)
    return Told(domain, message, partial(reject, delivery))
