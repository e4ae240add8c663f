"""Decoder of raw deliveries: into a change event, an order, a receipt, or a rejection with its reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any

from broker.properties import UNREADABLE_HEADERS, UNREADABLE_REST
from consumers.delivery import Delivery
from rules.dead_letters import deaths, domain_of_queue
from rules.outcomes import Decoded, RejectedDelivery
from schemas.binary import amqp_attributes, names_in_octets
from schemas.domains import NO_DOMAIN, NO_SHOP, ORDERS, RECEIPTS
from schemas.events import CONTENT_TYPES, STRUCTURED, ChangeEvent
from schemas.full_load import LoadMessage, parse_message
from schemas.orders import OrderMessage, parse_shop_message
from schemas.partitions import change_domain
from schemas.reasons import Reason, Refusal, Refused
from schemas.receipts import parse_receipt
from schemas.routing_keys import routing_key_form, shop_in
from schemas.topology import DEAD, ORDERS_QUEUE, QUEUES
from storage.order_store import OrderItem

__all__ = ["check_properties", "decode", "decode_order", "reject", "shop_of"]

_PLAIN_ENCODINGS = frozenset({None, "", "utf-8", "utf8", "binary", "identity"})
_DEFAULT_TYPE = "application/json"


_Parse = Callable[[str, bytes, Mapping[str, str] | None], OrderMessage]
_PARSERS: dict[bool, tuple[str, _Parse]] = {True: (ORDERS, parse_shop_message), False: (RECEIPTS, parse_receipt)}


def decode(delivery: Delivery) -> ChangeEvent | LoadMessage | RejectedDelivery:
    """Return the change event or the message of a full load in a delivery, or its rejection."""
    try:
        # Unpacked, which costs less than reading the fields by their names.
        queue, _, body, routing_key, _, properties = delivery
        attributes = check_properties(properties)
        domain, shop = _feed_of(queue, routing_key)
        return parse_message(domain, shop, body, attributes)
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
    return _shop_in(delivery.queue, delivery.routing_key, domain)


# There are few feeds, and each message of one names it.
@lru_cache(maxsize=8192)
def _feed_of(queue: str, routing_key: str) -> tuple[str, str]:
    """Return the domain of a queue and the shop of a routing key. Raises `Refused` if it names none."""
    # Never for the queue of anything else: the worker consumes none.
    domain = change_domain(queue) or NO_DOMAIN
    return domain, _shop_in(queue, routing_key, domain)


def _shop_in(queue: str, routing_key: str, domain: str) -> str:
    shop = shop_in(routing_key, domain)
    # A message sent directly to a queue has its name as routing key, which would read as a shop "comporta".
    if shop is None or routing_key == queue:
        raise Refused(Reason.ROUTING_KEY, "", f"the routing key must be {routing_key_form(domain)}")
    return shop


def reject(delivery: Delivery, refusal: Refusal) -> RejectedDelivery:
    """Return the whole delivery with the refusal, for the quarantine."""
    headers = dict(delivery.properties.get("application_headers") or {})
    domain = _domain_of(delivery)
    # The name of a queue, as in `shop_of`: also of the queue in which a message died.
    shop = None if delivery.routing_key in QUEUES else shop_in(delivery.routing_key, domain)
    return RejectedDelivery(
        shop=shop or NO_SHOP,
        domain=domain,
        refusal=refusal,
        body=delivery.body,
        routing_key=delivery.routing_key,
        content_type=delivery.properties.get("content_type") or "",
        headers=headers,
        redelivered=delivery.redelivered,
    )


def _domain_of(delivery: Delivery) -> str:
    if delivery.queue != DEAD:
        return domain_of_queue(delivery.queue)
    died = deaths(delivery.properties.get("application_headers") or {})
    return domain_of_queue(died[0].queue) if died else NO_DOMAIN


def check_properties(properties: Any) -> dict[str, str] | None:
    """Return the event's attributes if it is in binary mode. Raises `Refused` if the properties are not accepted.

    In structured mode the headers decide nothing.
    """
    if _is_structured(properties.get("content_type"), properties.get("content_encoding")):
        return None
    headers = properties.get("application_headers")
    if not headers:
        return None
    return amqp_attributes(headers, _unreadable_names(headers))


def _unreadable_names(headers: Mapping[Any, Any]) -> list[str]:
    named, rest = headers.get(UNREADABLE_HEADERS), headers.get(UNREADABLE_REST)
    names = [str(name) for name in named] if isinstance(named, dict) else []
    return names + names_in_octets(rest) if isinstance(rest, bytes) else names


# Most publishers repeat the same properties.
@lru_cache(maxsize=256)
def _is_structured(content_type: str | None, encoding: str | None) -> bool:
    """Return whether headers decide nothing. Raises `Refused` if the content is of no type that is taken."""
    media_type = (content_type or _DEFAULT_TYPE).partition(";")[0].strip().lower()
    if media_type not in CONTENT_TYPES:
        raise Refused(Reason.CONTENT_TYPE, "", "the content type must be application/cloudevents+json")
    if encoding not in _PLAIN_ENCODINGS and str(encoding).lower() not in _PLAIN_ENCODINGS:
        raise Refused(Reason.CONTENT_ENCODING, "", "the content encoding must be utf-8 or none")
    return media_type == STRUCTURED
