"""Order events of shops and ERPs."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import pytest

from rules.outcomes import Decoded
from schemas.orders import ReceivedOrder, parse_order
from schemas.receipts import Receipt, parse_receipt

__all__ = [
    "cancel_refused",
    "cancelled",
    "decoded_order",
    "decoded_receipt",
    "erp_cancelled",
    "internalized",
    "invoiced",
    "order_event",
    "placed",
    "rejected",
    "shipped",
]

_ids = count(1)


def order_event(kind: str, data: dict[str, Any], **envelope: Any) -> bytes:
    """Build a CloudEvent of a shop or an ERP."""
    document = {"specversion": "1.0", "id": f"id-{next(_ids)}", "source": "/test", "type": kind, "data": data}
    return json.dumps({**document, "time": "2026-11-23T07:22:51Z", **envelope}).encode()


def placed(order_id: str = "O1", **data: Any) -> bytes:
    """Build an order of two pieces for 19.98."""
    item = {"line": 1, "product_code": "P1", "quantity": "2", "unit_price": "9.99", "total": "19.98"}
    order = {
        "order_id": order_id,
        "placed_at": "2026-11-23T07:22:51Z",
        "customer": {"document": "52998224725", "name": "Ana"},
        "currency": "BRL",
        "payment": {"method": "pix"},
        "items": [item],
        "total": "19.98",
    }
    return order_event("shop.order.placed.v1", order | data)


def internalized(order_id: str = "O1", number: str = "77", **envelope: Any) -> bytes:
    return order_event("erp.order.internalized.v1", {"order_id": order_id, "erp_number": number}, **envelope)


def rejected(order_id: str = "O1", reason: str = "no credit", **envelope: Any) -> bytes:
    return order_event("erp.order.rejected.v1", {"order_id": order_id, "reason": reason}, **envelope)


def cancelled(order_id: str = "O1", reason: str | None = "customer", **envelope: Any) -> bytes:
    """Build a cancellation by the shop."""
    return order_event("shop.order.cancelled.v1", {"order_id": order_id, "reason": reason}, **envelope)


def erp_cancelled(order_id: str = "O1", **envelope: Any) -> bytes:
    return order_event("erp.order.cancelled.v1", {"order_id": order_id}, **envelope)


def cancel_refused(order_id: str = "O1", reason: str = "shipped already", **envelope: Any) -> bytes:
    return order_event("erp.order.cancel_refused.v1", {"order_id": order_id, "reason": reason}, **envelope)


def invoiced(order_id: str = "O1", number: str = "1001", **data: Any) -> bytes:
    return order_event("erp.order.invoiced.v1", {"order_id": order_id, "number": number, **data})


def shipped(order_id: str = "O1", tracking: str = "BR123", **data: Any) -> bytes:
    return order_event("erp.order.shipped.v1", {"order_id": order_id, "tracking": tracking, **data})


def decoded_order(body: bytes, shop: str = "main") -> Decoded[ReceivedOrder | Receipt]:
    """Decode an order as a worker does; it must not be refused."""
    return Decoded("orders", parse_order(shop, body), lambda refusal: pytest.fail(str(refusal)))


def decoded_receipt(body: bytes, shop: str = "main") -> Decoded[ReceivedOrder | Receipt]:
    """Decode a receipt as a worker does; it must not be refused."""
    return Decoded("receipts", parse_receipt(shop, body), lambda refusal: pytest.fail(str(refusal)))
