"""Event checks before publishing: the text of an event to a message, or to the refusal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple

import orjson
from uuid_utils import uuid7

from producers.messages import CLOUDEVENT, OutgoingMessage
from rules.outcomes import Outcome, RejectedDelivery
from rules.warnings import event_warnings, field_warnings, superseded_warnings
from schemas.domains import NO_DOMAIN, ORDERS
from schemas.events import ChangeEvent, load_json
from schemas.full_load import LoadMessage, message_domain, read_message
from schemas.order_news import Cancellation
from schemas.orders import ReceivedOrder, read_shop_message
from schemas.partitions import KEY_HEADER, partition_key
from schemas.reasons import Refusal, Refused
from schemas.topology import EVENTS, ORDERS_IN
from schemas.warnings import EventWarning

__all__ = ["CheckedEvent", "far_superseded", "message_id_of", "outgoing_document", "outgoing_raw", "outgoing_text"]

_LONGEST_ID = 255
_FROM_SHOP = "shop.order."


class CheckedEvent(NamedTuple):
    """Event as a worker would receive it: its message if it is valid, else the refusal; `item` is None if unchecked."""

    item: ChangeEvent | LoadMessage | ReceivedOrder | Cancellation | RejectedDelivery | None
    outgoing: OutgoingMessage | None
    refusal: Refusal | None

    @property
    def warnings(self) -> list[EventWarning]:
        """Return what is perhaps not meant, by this machine's clock; computed at each call, and never a refusal."""
        if isinstance(self.item, ReceivedOrder):
            return list(field_warnings(self.item.unknown))
        return event_warnings(self.item, datetime.now(UTC)) if isinstance(self.item, ChangeEvent) else []


def outgoing_text(shop: str, text: str | bytes, domain: str | None = None) -> CheckedEvent:
    """Check the text of one event, UTF-8 if it is bytes; `domain` defaults to the domain of the event's type."""
    if isinstance(text, str):
        # What is no Unicode text is refused as such, like bytes that are none.
        text = text.encode(errors="surrogatepass")
    try:
        document = load_json(text)
        return _checked(shop, domain, document, text)
    except Refused as refused:
        return _refused(shop, domain, text, refused.refusal)


def outgoing_document(shop: str, document: Any, domain: str | None = None) -> CheckedEvent:
    """Check one event that was part of a larger document; it is published in a text of its own."""
    text = orjson.dumps(document)
    try:
        return _checked(shop, domain, document, text)
    except Refused as refused:
        return _refused(shop, domain, text, refused.refusal)


def far_superseded(
    events: Sequence[ChangeEvent | LoadMessage | ReceivedOrder | Cancellation | RejectedDelivery],
    outcomes: Sequence[Outcome],
    stored_versions: Callable[[Sequence[ChangeEvent]], Sequence[int | None]],
) -> list[list[EventWarning]]:
    """Return the warnings of each event that take the database: its row has a far higher version."""
    warnings: list[list[EventWarning]] = [[] for _ in events]
    superseded = [
        (index, event)
        for index, (event, outcome) in enumerate(zip(events, outcomes, strict=True))
        if outcome is Outcome.SUPERSEDED and isinstance(event, ChangeEvent)
    ]
    if superseded:
        versions = stored_versions([event for _, event in superseded])
        for (index, event), stored in zip(superseded, versions, strict=True):
            if stored is not None:
                warnings[index] += superseded_warnings(event.version, stored)
    return warnings


def outgoing_raw(shop: str, text: bytes, domain: str | None) -> OutgoingMessage:
    """Return a message of any text, unchecked.

    Raises `Refused` if no domain is given and none can be read from the text.
    """
    try:
        document = load_json(text)
    except Refused:
        if domain is None:
            raise
        document = None
    identity = document.get("id") if isinstance(document, dict) else None
    message_id = message_id_of(identity) if isinstance(identity, str) and identity else str(uuid7())
    return OutgoingMessage(*_route(shop, domain or _domain_of(document)), text, message_id)


def _checked(shop: str, domain: str | None, document: Any, text: bytes) -> CheckedEvent:
    domain = domain or _domain_of(document)
    item: ChangeEvent | LoadMessage | ReceivedOrder | Cancellation
    if domain == ORDERS:
        item, headers = read_shop_message(shop, document), None
    else:
        item = read_message(domain, shop, document)
        headers = {KEY_HEADER: partition_key(shop, item.key if isinstance(item, ChangeEvent) else (item.load_id,))}
    outgoing = OutgoingMessage(*_route(shop, domain), text, message_id_of(item.event_id), headers=headers)
    return CheckedEvent(item, outgoing, None)


def _domain_of(document: Any) -> str:
    """Return the domain of a change event, or `orders`. Raises `Refused` if the type is missing or unknown."""
    kind = document.get("type") if isinstance(document, dict) else None
    return ORDERS if isinstance(kind, str) and kind.startswith(_FROM_SHOP) else message_domain(document)


def _route(shop: str, domain: str) -> tuple[str, str]:
    """Return the exchange and the routing key of a domain's messages."""
    return (ORDERS_IN, shop) if domain == ORDERS else (EVENTS, f"{shop}.{domain}")


def message_id_of(event_id: str) -> str:
    """Return the AMQP `message_id` for an event's id: the id itself, or its SHA-256 if it is too long."""
    # A property of AMQP has at most 255 bytes, an event's id as many characters.
    return event_id if len(event_id.encode()) <= _LONGEST_ID else sha256(event_id.encode()).hexdigest()


def _refused(shop: str, domain: str | None, text: bytes, refusal: Refusal) -> CheckedEvent:
    domain = domain or NO_DOMAIN
    rejected = RejectedDelivery(shop, domain, refusal, text, _route(shop, domain)[1], CLOUDEVENT, {}, redelivered=False)
    return CheckedEvent(rejected, None, refusal)
