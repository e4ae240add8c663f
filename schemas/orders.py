"""Orders from a shop, the ERP's receipts for them, and the event that takes an order to the ERP."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

import orjson
from pydantic import StringConstraints, TypeAdapter, ValidationError

from schemas.events import NOT_AN_EVENT, Attributes, load_json
from schemas.fields import NO_NUL, Id, Message, Time
from schemas.order_data import Item, PlacedOrder
from schemas.order_news import (
    CANCEL_REFUSED,
    CANCEL_TO_ERP,
    CANCELLED,
    ERP_CANCELLED,
    INVOICED,
    NEWS_TYPES,
    SHIPPED,
    CancelAnswer,
    Cancellation,
    CancelledEvent,
    CancelRefusedEvent,
    ErpCancelledEvent,
    InvoicedEvent,
    OrderEvent,
    OrderNews,
    ShippedEvent,
)
from schemas.payloads import canonical_text
from schemas.reasons import Reason, Refused
from schemas.unknown_fields import UnknownField, unknown_fields
from schemas.validation_errors import document_refused, other_fault

__all__ = [
    "ACCEPTABLE",
    "INTERNALIZED",
    "ORDER_TYPES",
    "PLACED",
    "REJECTED",
    "TO_ERP",
    "OrderMessage",
    "PlacedOrder",
    "Receipt",
    "ReceivedOrder",
    "cancel_event",
    "order_event",
    "parse_as_is",
    "parse_order",
    "parse_receipt",
    "parse_shop_message",
]

PLACED, TO_ERP = "shop.order.placed.v1", "comporta.order.v1"
INTERNALIZED, REJECTED = "erp.order.internalized.v1", "erp.order.rejected.v1"
_VERSIONED = re.compile(r"(.+\.v)([0-9]+)", re.ASCII)
_MOST_UNKNOWN = 50


class ReceivedOrder(NamedTuple):
    """An order as received: `data` is its parsed part, `payload` its data with every field of the shop.

    Orders with the same `digest` have the same payload; `unknown` has the fields that Comporta ignores, at most 50.
    """

    shop: str
    order_id: str
    event_id: str
    placed_at: datetime
    data: PlacedOrder
    payload: dict[str, Any]
    digest: str
    unknown: tuple[UnknownField, ...]


class Receipt(NamedTuple):
    """The ERP's answer to an order: its number, or the reason why it is rejected."""

    shop: str
    order_id: str
    event_id: str
    erp_number: str | None
    reason: str | None


OrderMessage = ReceivedOrder | Cancellation | Receipt | CancelAnswer | OrderNews


class _PlacedEvent(OrderEvent):
    """A shop says that an order was placed."""

    type: Literal["shop.order.placed.v1"]
    data: PlacedOrder


class _OrderToErp(OrderEvent):
    """Comporta hands an order to the ERP, with all that the shop said of it."""

    type: Literal["comporta.order.v1"]
    data: PlacedOrder


class Internalized(Message):
    """The number that the ERP gave to an order."""

    order_id: Id
    erp_number: Id


class Rejected(Message):
    """Why the ERP does not take an order."""

    order_id: Id
    reason: Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=NO_NUL)]


class _InternalizedEvent(OrderEvent):
    """The ERP has taken an order."""

    type: Literal["erp.order.internalized.v1"]
    data: Internalized


class _RejectedEvent(OrderEvent):
    """The ERP does not take an order."""

    type: Literal["erp.order.rejected.v1"]
    data: Rejected


ORDER_TYPES: dict[str, type[Attributes]] = {
    PLACED: _PlacedEvent,
    TO_ERP: _OrderToErp,
    INTERNALIZED: _InternalizedEvent,
    REJECTED: _RejectedEvent,
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
_Event = TypeVar("_Event", bound=OrderEvent)


def parse_shop_message(
    shop: str, body: bytes, attributes: Mapping[str, str] | None = None
) -> ReceivedOrder | Cancellation:
    """Return the order or the cancellation in a message's body. Raises `Refused` with the first fault."""
    document = _document(body, attributes, (PLACED, CANCELLED))
    if document["type"] == PLACED:
        return _placed(shop, document)
    event = _validated(CancelledEvent, document)
    data = event.data
    return Cancellation(shop, data.order_id, event.id, data.reason, data.cancelled_at or event.time)


def parse_order(shop: str, body: bytes, attributes: Mapping[str, str] | None = None) -> ReceivedOrder:
    """Return the order in a message's body. Raises `Refused` with the first fault.

    With `attributes` (binary mode) the body is only the event's data.
    """
    return _placed(shop, _document(body, attributes, (PLACED,)))


def parse_as_is(shop: str, body: bytes, attributes: Mapping[str, str] | None = None) -> ReceivedOrder:
    """Return an order whose only faults are of `ACCEPTABLE`. Raises `Refused` with the first other fault."""
    document = _document(body, attributes, (PLACED,))
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
    placed_at: datetime = _MOMENT.validate_python(data["placed_at"])
    model = PlacedOrder.model_construct(**{**data, "placed_at": placed_at})
    return _received(shop, document, str(document["id"]), data["order_id"], model)


def _require_only(model: type[Message], value: Any) -> None:
    try:
        model.model_validate(value)
    except ValidationError as error:
        if (other := other_fault(error, ACCEPTABLE)) is not None:
            raise other from None


def _placed(shop: str, document: dict[str, Any]) -> ReceivedOrder:
    event = _validated(_PlacedEvent, document)
    data = event.data
    received = _received(shop, document, event.id, data.order_id, data)
    return received._replace(unknown=tuple(islice(unknown_fields(document, event), _MOST_UNKNOWN)))


def _received(shop: str, document: dict[str, Any], event_id: str, order_id: str, data: PlacedOrder) -> ReceivedOrder:
    payload: dict[str, Any] = document["data"]
    digest = hashlib.sha256(canonical_text(payload)).hexdigest()
    return ReceivedOrder(shop, order_id, event_id, data.placed_at, data, payload, digest, ())


def parse_receipt(
    shop: str, body: bytes, attributes: Mapping[str, str] | None = None
) -> Receipt | CancelAnswer | OrderNews:
    """Return the receipt in a message's body. Raises `Refused` with the first fault."""
    document = _document(body, attributes, (INTERNALIZED, REJECTED, ERP_CANCELLED, CANCEL_REFUSED, INVOICED, SHIPPED))
    match document["type"]:
        case "erp.order.internalized.v1":
            internalized = _validated(_InternalizedEvent, document)
            return Receipt(shop, internalized.data.order_id, internalized.id, internalized.data.erp_number, None)
        case "erp.order.rejected.v1":
            rejected = _validated(_RejectedEvent, document)
            return Receipt(shop, rejected.data.order_id, rejected.id, None, rejected.data.reason)
        case "erp.order.cancelled.v1":
            cancelled = _validated(ErpCancelledEvent, document)
            return CancelAnswer(shop, cancelled.data.order_id, cancelled.id, True, cancelled.data.reason)
        case "erp.order.cancel_refused.v1":
            refused = _validated(CancelRefusedEvent, document)
            return CancelAnswer(shop, refused.data.order_id, refused.id, False, refused.data.reason)
        case "erp.order.invoiced.v1":
            invoiced = _validated(InvoicedEvent, document)
            return _news(shop, "invoiced", invoiced, invoiced.data.order_id, invoiced.data.issued_at, document)
        case _:
            shipped = _validated(ShippedEvent, document)
            return _news(shop, "shipped", shipped, shipped.data.order_id, shipped.data.shipped_at, document)


def _news(
    shop: str, kind: str, event: OrderEvent, order_id: str, at: datetime | None, document: dict[str, Any]
) -> OrderNews:
    canonical_text(document["data"])
    return OrderNews(shop, order_id, event.id, kind, document["data"], at or event.time)


def order_event(shop: str, order_id: str, payload: Mapping[str, Any], at: datetime) -> bytes:
    """Return the event that takes an order to the ERP; every repeat has the same id."""
    return _to_erp(TO_ERP, f"{shop}/{order_id}", order_id, payload, at)


def cancel_event(shop: str, order_id: str, data: Mapping[str, Any], at: datetime) -> bytes:
    """Return the event that tells the ERP of a cancellation; every repeat has the same id."""
    return _to_erp(CANCEL_TO_ERP, f"{shop}/{order_id}/cancel", order_id, data, at)


def _to_erp(kind: str, identity: str, order_id: str, data: Mapping[str, Any], at: datetime) -> bytes:
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


def _document(body: bytes, attributes: Mapping[str, str] | None, types: tuple[str, ...]) -> dict[str, Any]:
    loaded = load_json(body)
    document = loaded if attributes is None else {**attributes, "data": loaded}
    if not isinstance(document, dict) or "type" not in document:
        raise Refused(Reason.NOT_AN_EVENT, "", NOT_AN_EVENT)
    kind = document["type"]
    if kind not in types:
        raise _unknown(kind if isinstance(kind, str) else "", types)
    return document


def _unknown(kind: str, types: tuple[str, ...]) -> Refused:
    match = _VERSIONED.fullmatch(kind)
    if match and f"{match[1]}1" in types:
        return Refused(Reason.UNKNOWN_VERSION, "/type", "this major version is unknown: v1 is understood")
    return Refused(Reason.UNKNOWN_TYPE, "/type", f"must be {' or '.join(types)}")


def _validated(model: type[_Event], document: dict[str, Any]) -> _Event:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise document_refused(document, error) from None
