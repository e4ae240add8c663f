"""Receipts: the ERP's answers to orders and cancellations, and its later news of an order."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

from schemas.events import Attributes
from schemas.fields import Id, Message
from schemas.order_documents import event_document, require_type, validated
from schemas.order_news import (
    CANCEL_REFUSED,
    ERP_CANCELLED,
    INVOICED,
    SHIPPED,
    CancelAnswer,
    CancelRefusedEvent,
    ErpCancelledEvent,
    InvoicedEvent,
    OrderEvent,
    OrderNews,
    Reason,
    ShippedEvent,
)
from schemas.payloads import canonical_text

__all__ = ["INTERNALIZED", "RECEIPT_TYPES", "REJECTED", "Receipt", "parse_receipt"]

INTERNALIZED, REJECTED = "erp.order.internalized.v1", "erp.order.rejected.v1"


class Receipt(NamedTuple):
    """The ERP's answer to an order: its number, or the reason why it is rejected."""

    shop: str
    order_id: str
    event_id: str
    erp_number: str | None
    reason: str | None


class Internalized(Message):
    """The number that the ERP gave to an order."""

    order_id: Id
    erp_number: Id


class Rejected(Message):
    """Why the ERP does not take an order."""

    order_id: Id
    reason: Reason


class _InternalizedEvent(OrderEvent):
    """The ERP has taken an order."""

    type: Literal["erp.order.internalized.v1"]
    data: Internalized


class _RejectedEvent(OrderEvent):
    """The ERP does not take an order."""

    type: Literal["erp.order.rejected.v1"]
    data: Rejected


RECEIPT_TYPES: dict[str, type[Attributes]] = {INTERNALIZED: _InternalizedEvent, REJECTED: _RejectedEvent}
_TYPES = (INTERNALIZED, REJECTED, ERP_CANCELLED, CANCEL_REFUSED, INVOICED, SHIPPED)


def parse_receipt(
    shop: str, body: bytes, attributes: Mapping[str, str] | None = None
) -> Receipt | CancelAnswer | OrderNews:
    """Return the receipt in a message's body. Raises `Refused` with the first fault."""
    document = require_type(event_document(body, attributes), _TYPES)
    match document["type"]:
        case "erp.order.internalized.v1":
            internalized = validated(_InternalizedEvent, document)
            return Receipt(shop, internalized.data.order_id, internalized.id, internalized.data.erp_number, None)
        case "erp.order.rejected.v1":
            rejected = validated(_RejectedEvent, document)
            return Receipt(shop, rejected.data.order_id, rejected.id, None, rejected.data.reason)
        case "erp.order.cancelled.v1":
            cancelled = validated(ErpCancelledEvent, document)
            return CancelAnswer(shop, cancelled.data.order_id, cancelled.id, True, cancelled.data.reason)
        case "erp.order.cancel_refused.v1":
            refused = validated(CancelRefusedEvent, document)
            return CancelAnswer(shop, refused.data.order_id, refused.id, False, refused.data.reason)
        case "erp.order.invoiced.v1":
            invoiced = validated(InvoicedEvent, document)
            return _news(shop, "invoiced", invoiced, invoiced.data.order_id, invoiced.data.issued_at, document)
        case _:
            shipped = validated(ShippedEvent, document)
            return _news(shop, "shipped", shipped, shipped.data.order_id, shipped.data.shipped_at, document)


def _news(
    shop: str, kind: str, event: OrderEvent, order_id: str, at: datetime | None, document: dict[str, Any]
) -> OrderNews:
    canonical_text(document["data"])
    return OrderNews(shop, order_id, event.id, kind, document["data"], at or event.time)
