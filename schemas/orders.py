"""Orders from a shop, the ERP's receipts for them, and the event that takes an order to the ERP."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

import orjson
from pydantic import StringConstraints, ValidationError

from schemas.events import NOT_AN_EVENT, Attributes, load_json
from schemas.fields import NO_NUL, Key, Message, Text
from schemas.order_data import PlacedOrder
from schemas.reasons import Reason, Refusal, Refused
from schemas.validation_errors import validation_refused

__all__ = [
    "INTERNALIZED",
    "ORDER_CHANGED",
    "ORDER_TYPES",
    "PLACED",
    "REJECTED",
    "SHOP_TYPES",
    "TO_ERP",
    "PlacedOrder",
    "Receipt",
    "ReceivedOrder",
    "order_event",
    "parse_order",
    "parse_receipt",
    "read_order",
]

PLACED, TO_ERP = "shop.order.placed.v1", "comporta.order.v1"
INTERNALIZED, REJECTED = "erp.order.internalized.v1", "erp.order.rejected.v1"
# The types that a shop publishes to `shop.orders`.
SHOP_TYPES = (PLACED,)
# An order that contradicts an earlier one of its id: only the database knows.
ORDER_CHANGED = Refusal(Reason.ORDER_CHANGED, "/data", "an earlier order with this id has different content")
_VERSIONED = re.compile(r"(.+\.v)([0-9]+)", re.ASCII)
_SMALLEST, _BIGGEST = -(2**63), 2**64 - 1


class ReceivedOrder(NamedTuple):
    """An order as received: `data` is its parsed part, `payload` its data with every field of the shop.

    Orders with the same `digest` have the same payload; `unknown` counts the fields that Comporta ignores.
    """

    shop: str
    order_id: str
    event_id: str
    placed_at: datetime
    data: PlacedOrder
    payload: dict[str, Any]
    digest: str
    unknown: int


class Receipt(NamedTuple):
    """The ERP's answer to an order: its number, or the reason why it is rejected."""

    shop: str
    order_id: str
    event_id: str
    erp_number: str | None
    reason: str | None


class _OrderEvent(Attributes):
    subject: Text | None = None


class _PlacedEvent(_OrderEvent):
    """A shop says that an order was placed."""

    type: Literal["shop.order.placed.v1"]
    data: PlacedOrder


class _OrderToErp(_OrderEvent):
    """Comporta hands an order to the ERP, with all that the shop said of it."""

    type: Literal["comporta.order.v1"]
    data: PlacedOrder


class Internalized(Message):
    """The number that the ERP gave to an order."""

    order_id: Key
    erp_number: Key


class Rejected(Message):
    """Why the ERP does not take an order."""

    order_id: Key
    reason: Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=NO_NUL)]


class _InternalizedEvent(_OrderEvent):
    """The ERP has taken an order."""

    type: Literal["erp.order.internalized.v1"]
    data: Internalized


class _RejectedEvent(_OrderEvent):
    """The ERP does not take an order."""

    type: Literal["erp.order.rejected.v1"]
    data: Rejected


ORDER_TYPES: dict[str, type[Attributes]] = {
    PLACED: _PlacedEvent,
    TO_ERP: _OrderToErp,
    INTERNALIZED: _InternalizedEvent,
    REJECTED: _RejectedEvent,
}
_Event = TypeVar("_Event", bound=_OrderEvent)


def parse_order(shop: str, body: bytes, attributes: Mapping[str, str] | None = None) -> ReceivedOrder:
    """Return the order in a message's body. Raises `Refused` with the first fault.

    With `attributes` (binary mode) the body is only the event's data.
    """
    loaded = load_json(body)
    return read_order(shop, loaded if attributes is None else {**attributes, "data": loaded})


def read_order(shop: str, document: Any) -> ReceivedOrder:
    """Return the order in a JSON value. Raises `Refused` with the first fault."""
    document = _typed(document, SHOP_TYPES)
    event = _validated(_PlacedEvent, document)
    payload: dict[str, Any] = document["data"]
    text = _canonical_text(payload)
    data = event.data
    known = len(event.model_fields_set) + len(data.model_fields_set)
    return ReceivedOrder(
        shop,
        data.order_id,
        event.id,
        data.placed_at,
        data,
        payload,
        hashlib.sha256(text).hexdigest(),
        len(document) + len(payload) - known,
    )


def parse_receipt(shop: str, body: bytes, attributes: Mapping[str, str] | None = None) -> Receipt:
    """Return the receipt in a message's body. Raises `Refused` with the first fault."""
    loaded = load_json(body)
    document = _typed(loaded if attributes is None else {**attributes, "data": loaded}, (INTERNALIZED, REJECTED))
    if document["type"] == INTERNALIZED:
        internalized = _validated(_InternalizedEvent, document)
        return Receipt(shop, internalized.data.order_id, internalized.id, internalized.data.erp_number, None)
    rejected = _validated(_RejectedEvent, document)
    return Receipt(shop, rejected.data.order_id, rejected.id, None, rejected.data.reason)


def order_event(shop: str, order_id: str, payload: Mapping[str, Any], at: datetime) -> bytes:
    """Return the event that takes an order to the ERP; every repeat has the same id."""
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": f"{shop}/{order_id}",
            "source": "/comporta",
            "type": TO_ERP,
            "time": at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "subject": order_id,
            "data": payload,
        }
    )


def _typed(document: Any, types: tuple[str, ...]) -> dict[str, Any]:
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
        raise validation_refused(error) from None


def _canonical_text(payload: dict[str, Any]) -> bytes:
    """Return the payload as JSON with sorted keys. Raises `Refused` if a value would not survive storage unchanged."""
    try:
        text = orjson.dumps(payload, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        # orjson does not write integers beyond 64 bits: search the payload for one.
        text = b"null"
    # orjson writes an infinity as null. Few orders have a null or a NUL, and only those are searched value by value.
    if (b"null" in text or b"\\u0000" in text) and (loss := _find_loss(payload)):
        raise Refused(*loss)
    return text


def _find_loss(payload: dict[str, Any]) -> tuple[Reason, str, str] | None:
    """Return the fault of the first value that a database or a JSON library would change; None if there is none.

    Such a value is in a field that Comporta only passes on: the models refuse it in all others.
    """
    pending: list[Any] = [payload]
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            if "\0" in value:
                return _NUL
        elif isinstance(value, dict):
            pending += value
            pending += value.values()
        elif isinstance(value, list):
            pending += value
        elif isinstance(value, int):
            if not _SMALLEST <= value <= _BIGGEST:
                return _TOO_BIG
        elif isinstance(value, float) and not math.isfinite(value):
            return _TOO_BIG
    return None


_NUL = (Reason.NUL_CHARACTER, "/data", "a field that is only passed on holds the NUL character")
_TOO_BIG = (Reason.NUMBER_RANGE, "/data", "a field that is only passed on holds a number beyond 64 bits")
