"""Orders and cancellations from a shop, and the events that take them to the ERP."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Literal, NamedTuple

import orjson
from pydantic import TypeAdapter, ValidationError

from schemas.events import Attributes
from schemas.fields import Message, Time
from schemas.order_data import Item, PlacedOrder
from schemas.order_documents import event_document, require_type, validated
from schemas.order_news import (
    CANCEL_TO_ERP,
    CANCELLED,
    NEWS_TYPES,
    CancelAnswer,
    Cancellation,
    CancelledEvent,
    OrderEvent,
    OrderNews,
)
from schemas.payloads import canonical_text
from schemas.reasons import Reason, Refusal, Refused
from schemas.receipts import RECEIPT_TYPES, Receipt
from schemas.unknown_fields import UnknownField, unknown_fields
from schemas.validation_errors import other_fault

__all__ = [
    "ACCEPTABLE",
    "ORDER_CHANGED",
    "ORDER_TYPES",
    "PLACED",
    "SHOP_TYPES",
    "TO_ERP",
    "OrderMessage",
    "PlacedOrder",
    "ReceivedOrder",
    "cancel_event",
    "order_event",
    "parse_as_is",
    "parse_order",
    "parse_shop_message",
    "read_order",
    "read_shop_message",
]

PLACED, TO_ERP = "shop.order.placed.v1", "comporta.order.v1"
# The types that a shop publishes to `shop.orders`.
SHOP_TYPES = (PLACED, CANCELLED)
# An order that contradicts an earlier one of its id: only the database knows.
ORDER_CHANGED = Refusal(Reason.ORDER_CHANGED, "/data", "an earlier order with this id has different content")
_MOST_UNKNOWN = 50


class ReceivedOrder(NamedTuple):
    """An order as received: `payload` is its data with every field of the shop, as canonical JSON text.

    Orders with the same `digest` have the same payload; `unknown` has the fields that Comporta ignores, at most 50.
    """

    shop: str
    order_id: str
    event_id: str
    placed_at: datetime
    payload: bytes
    digest: str
    unknown: tuple[UnknownField, ...]


OrderMessage = ReceivedOrder | Cancellation | Receipt | CancelAnswer | OrderNews


class _PlacedEvent(OrderEvent):
    """A shop says that an order was placed."""

    type: Literal["shop.order.placed.v1"]
    data: PlacedOrder


class _OrderToErp(OrderEvent):
    """Comporta hands an order to the ERP, with all that the shop said of it."""

    type: Literal["comporta.order.v1"]
    data: PlacedOrder


ORDER_TYPES: dict[str, type[Attributes]] = {
    PLACED: _PlacedEvent,
    TO_ERP: _OrderToErp,
    **RECEIPT_TYPES,
    **NEWS_TYPES,
}
# Faults of an order that an operator may accept: a contradiction, no gap.
ACCEPTABLE = frozenset(
    {
        Reason.ORDER_SUM,
        Reason.LINE_SUM,
        Reason.NEGATIVE_TOTAL,
        Reason.CPF_CHECK_DIGIT,
        Reason.CNPJ_CHECK_DIGIT,
    }
)
_MOMENT: TypeAdapter[datetime] = TypeAdapter(Time)


def parse_shop_message(
    shop: str, body: bytes, attributes: Mapping[str, str] | None = None
) -> ReceivedOrder | Cancellation:
    """Return the order or the cancellation in a message's body. Raises `Refused` with the first fault."""
    return read_shop_message(shop, event_document(body, attributes))


def read_shop_message(shop: str, document: Any) -> ReceivedOrder | Cancellation:
    """Return the order or the cancellation in a JSON value. Raises `Refused` with the first fault."""
    document = require_type(document, SHOP_TYPES)
    if document["type"] == PLACED:
        return _placed(shop, document)
    event = validated(CancelledEvent, document)
    data = event.data
    return Cancellation(shop, data.order_id, event.id, data.reason, data.cancelled_at or event.time)


def parse_order(shop: str, body: bytes, attributes: Mapping[str, str] | None = None) -> ReceivedOrder:
    """Return the order in a message's body. Raises `Refused` with the first fault.

    With `attributes` (binary mode) the body is only the event's data.
    """
    return read_order(shop, event_document(body, attributes))


def read_order(shop: str, document: Any) -> ReceivedOrder:
    """Return the order in a JSON value. Raises `Refused` with the first fault."""
    return _placed(shop, require_type(document, (PLACED,)))


def parse_as_is(shop: str, body: bytes, attributes: Mapping[str, str] | None = None) -> ReceivedOrder:
    """Return an order whose only faults are of `ACCEPTABLE`. Raises `Refused` with the first other fault."""
    document = require_type(event_document(body, attributes), (PLACED,))
    try:
        return _placed(shop, document)
    except Refused as refused:
        if refused.refusal.reason not in ACCEPTABLE:
            raise
    _require_only(_PlacedEvent, document)
    data: dict[str, Any] = document["data"]
    # A list is read up to its first fault: the items behind it are checked one by one.
    for item in data["items"]:
        _require_only(Item, item)
    return _received(shop, document, str(document["id"]), data["order_id"], _MOMENT.validate_python(data["placed_at"]))


def _require_only(model: type[Message], value: Any) -> None:
    try:
        model.model_validate(value)
    except ValidationError as error:
        if (other := other_fault(error, ACCEPTABLE)) is not None:
            raise other from None


def _placed(shop: str, document: dict[str, Any]) -> ReceivedOrder:
    event = validated(_PlacedEvent, document)
    unknown = tuple(islice(unknown_fields(document, event), _MOST_UNKNOWN))
    return _received(shop, document, event.id, event.data.order_id, event.data.placed_at, unknown)


def _received(
    shop: str,
    document: dict[str, Any],
    event_id: str,
    order_id: str,
    placed_at: datetime,
    unknown: tuple[UnknownField, ...] = (),
) -> ReceivedOrder:
    payload = canonical_text(document["data"])
    return ReceivedOrder(shop, order_id, event_id, placed_at, payload, hashlib.sha256(payload).hexdigest(), unknown)


def order_event(shop: str, order_id: str, payload: str, at: datetime) -> bytes:
    """Return the event that takes an order, a JSON text, to the ERP; every repeat has the same id."""
    return _to_erp(TO_ERP, f"{shop}/{order_id}", order_id, orjson.Fragment(payload), at)


def cancel_event(shop: str, order_id: str, data: Mapping[str, Any], at: datetime) -> bytes:
    """Return the event that tells the ERP of a cancellation; every repeat has the same id."""
    return _to_erp(CANCEL_TO_ERP, f"{shop}/{order_id}/cancel", order_id, data, at)


def _to_erp(kind: str, identity: str, order_id: str, data: object, at: datetime) -> bytes:
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": identity,
            "source": "/comporta",
            "type": kind,
            "time": at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "subject": order_id,
            "data": data,
        }
    )
