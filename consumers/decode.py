"""Decoder of raw deliveries: into a change event, an order, a receipt, or a rejection with its reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any

from broker.properties import UNREADABLE_HEADERS
from consumers.delivery import Delivery
from rules.outcomes import Decoded, RejectedDelivery
from schemas.binary import amqp_attributes
from schemas.domains import DOMAINS, NO_DOMAIN, NO_SHOP, ORDERS, RECEIPTS
from schemas.events import CONTENT_TYPES, SHOP, STRUCTURED, ChangeEvent, parse_event
from schemas.orders import OrderMessage, parse_receipt, parse_shop_message
from schemas.reasons import Reason, Refusal, Refused
from schemas.topology import DEAD, ORDERS_QUEUE, QUEUES, event_queue
from storage.order_store import OrderItem

__all__ = ["check_properties", "decode", "decode_order", "reject", "shop_of"]

_DOMAIN_OF = {event_queue(domain): domain for domain in DOMAINS}
_PLAIN_ENCODINGS = frozenset({None, "", "utf-8", "utf8", "binary", "identity"})
_DEFAULT_TYPE = "application/json"


_Parse = Callable[[str, bytes, Mapping[str, str] | None], OrderMessage]
_PARSERS: dict[bool, tuple[str, _Parse]] = {True: (ORDERS, parse_shop_message), False: (RECEIPTS, parse_receipt)}


def decode(delivery: Delivery) -> ChangeEvent | RejectedDelivery:
    """Return the change event in a delivery, or its rejection; every dead letter is rejected."""
    if delivery.queue == DEAD:
        limit = Refusal(Reason.DELIVERY_LIMIT, "", "it was delivered too often without an outcome")
        return reject(delivery, limit)
    try:
        attributes = check_properties(delivery.properties)
        domain = _DOMAIN_OF[delivery.queue]
        return parse_event(domain, shop_of(delivery, domain), delivery.body, attributes)
    except Refused as refused:
        return reject(delivery, refused.refusal)


def decode_order(delivery: Delivery) -> OrderItem:
    """Return the order, the cancellation or the receipt in a delivery, or its rejection."""
    domain, parse = _PARSERS[delivery.queue == ORDERS_QUEUE]
    try:
        attributes = check_properties(delivery.properties)
        message = parse(shop_of(delivery, domain), delivery.body, attributes)
    except Refused as refused:
        return reject(delivery, refused.refusal)
    return Decoded(domain, message, partial(reject, delivery))


def shop_of(delivery: Delivery, domain: str) -> str:
    """Return the shop in the routing key. Raises `Refused` if it names none."""
    shop = _shop_of(delivery.routing_key, domain)
    # A message sent directly to a queue has its name as routing key, which would read as a shop "comporta".
    if shop is None or delivery.routing_key == delivery.queue:
        pattern = "<shop>" if domain == ORDERS else f"<shop>.{domain}"
        raise Refused(Reason.ROUTING_KEY, "", f"the routing key must be {pattern}")
    return shop


def reject(delivery: Delivery, refusal: Refusal) -> RejectedDelivery:
    """Return the whole delivery with the refusal, for the quarantine."""
    headers = dict(delivery.properties.get("application_headers") or {})
    domain = _domain_of(delivery, headers)
    return RejectedDelivery(
        shop=NO_SHOP if delivery.routing_key == delivery.queue else _shop_of(delivery.routing_key, domain) or NO_SHOP,
        domain=domain,
        refusal=refusal,
        body=delivery.body,
        routing_key=delivery.routing_key,
        content_type=delivery.properties.get("content_type") or "",
        headers=headers,
        redelivered=delivery.redelivered,
    )


def _domain_of(delivery: Delivery, headers: dict[str, Any]) -> str:
    queue = str(headers.get("x-first-death-queue")) if delivery.queue == DEAD else delivery.queue
    return _DOMAIN_OF.get(queue) or (queue.removeprefix("comporta.") if queue in QUEUES else NO_DOMAIN)


def check_properties(properties: Any) -> dict[str, str] | None:
    """Return the event's attributes if it is in binary mode. Raises `Refused` if the properties are not accepted."""
    headers = properties.get("application_headers")
    if headers and "compression" in headers:
        raise Refused(Reason.COMPRESSED, "", "compressed bodies are not taken: send plain JSON")
    if headers and UNREADABLE_HEADERS in headers:
        # Perhaps a time in milliseconds, which lies beyond the year 9999: its meaning can't be recovered.
        raise Refused(Reason.BINARY_ATTRIBUTE, "", "a header can't be read: text must be UTF-8, times in seconds")
    content_type, encoding = properties.get("content_type"), properties.get("content_encoding")
    media_type = _media_type(content_type)
    if media_type not in CONTENT_TYPES:
        raise Refused(Reason.CONTENT_TYPE, "", "the content type must be application/cloudevents+json")
    if encoding not in _PLAIN_ENCODINGS and str(encoding).lower() not in _PLAIN_ENCODINGS:
        raise Refused(Reason.CONTENT_ENCODING, "", "the content encoding must be utf-8 or none")
    return amqp_attributes(headers) if headers and media_type != STRUCTURED else None


@lru_cache(maxsize=256)
def _media_type(content_type: str | None) -> str:
    return (content_type or _DEFAULT_TYPE).partition(";")[0].strip().lower()


@lru_cache(maxsize=8192)
def _shop_of(routing_key: str, domain: str) -> str | None:
    shop, dot, rest = (routing_key, ".", ORDERS) if domain == ORDERS else routing_key.partition(".")
    return shop if dot and rest == domain and SHOP.fullmatch(shop) else None
