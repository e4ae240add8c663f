"""Order notices: the events that tell a shop what became of its orders, on `comporta.orders` (contract, section 6)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal

import orjson

from schemas.events import Attributes
from schemas.fields import Id, Message, Text, Time
from schemas.order_news import CancelToErpEvent

__all__ = ["NOTICE_TYPES", "Notice", "notice_data", "notice_event", "notice_id", "notice_type"]


class Notice(StrEnum):
    """Subject of a notice: the change of an order that it tells of."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    INTERNALIZED = "internalized"
    REJECTED = "rejected"
    STUCK = "stuck"
    CANCELLED = "cancelled"
    CANCEL_REFUSED = "cancel_refused"
    INVOICED = "invoiced"
    SHIPPED = "shipped"


class _Order(Message):
    """The order that a notice is about."""

    order_id: Id


class _RefusalReason(Message):
    """One reason of a refusal: its code, the place as a JSON pointer, and one sentence."""

    code: str
    pointer: str
    sentence: str


class _Refused(Message):
    """The refused message: the ids that could be read of it, and the reasons."""

    order_id: Text | None
    event_id: Text | None = None
    reasons: list[_RefusalReason]


class _Internalized(_Order):
    """The order, and the ERP's number for it."""

    erp_number: Text


class _Explained(_Order):
    """The order, and the reason that was given for the change."""

    reason: Text | None = None


class _Stuck(_Explained):
    """The order, the number of attempts, and the last error."""

    attempts: int | None = None


class _Invoiced(_Order):
    """The order, and its invoice."""

    number: Text
    key: Text | None = None
    issued_at: Time | None = None
    url: Text | None = None


class _Shipped(_Order):
    """The order, and its shipment."""

    carrier: Text | None = None
    tracking: Text | None = None
    shipped_at: Time | None = None


class _NoticeEvent(Attributes):
    # The position grows with every notice, so that a receiver can put the notices of an order in order.
    sequence: Text
    time: Time
    subject: Text | None = None


class _AcceptedEvent(_NoticeEvent):
    """An order is stored; it leaves for the ERP as soon as the switches allow it."""

    type: Literal["comporta.order.accepted.v1"]
    data: _Order


class _RefusedEvent(_NoticeEvent):
    """A message on `shop.orders` is refused; it waits in the quarantine, whole."""

    type: Literal["comporta.order.refused.v1"]
    data: _Refused


class _InternalizedEvent(_NoticeEvent):
    """The ERP has taken an order."""

    type: Literal["comporta.order.internalized.v1"]
    data: _Internalized


class _RejectedEvent(_NoticeEvent):
    """The ERP does not take an order; an operator may send it again."""

    type: Literal["comporta.order.rejected.v1"]
    data: _Explained


class _StuckEvent(_NoticeEvent):
    """An order failed again and again while others succeeded; an operator looks at it."""

    type: Literal["comporta.order.stuck.v1"]
    data: _Stuck


class _CancelRefusedEvent(_NoticeEvent):
    """The ERP does not cancel an order."""

    type: Literal["comporta.order.cancel_refused.v1"]
    data: _Explained


class _InvoicedEvent(_NoticeEvent):
    """The ERP has invoiced an order."""

    type: Literal["comporta.order.invoiced.v1"]
    data: _Invoiced


class _ShippedEvent(_NoticeEvent):
    """An order is on its way to the customer."""

    type: Literal["comporta.order.shipped.v1"]
    data: _Shipped


def notice_type(kind: str) -> str:
    """Return the CloudEvents type of a notice."""
    return f"comporta.order.{kind}.v1"


NOTICE_TYPES: dict[str, type[Attributes]] = {
    notice_type(Notice.ACCEPTED): _AcceptedEvent,
    notice_type(Notice.REFUSED): _RefusedEvent,
    notice_type(Notice.INTERNALIZED): _InternalizedEvent,
    notice_type(Notice.REJECTED): _RejectedEvent,
    notice_type(Notice.STUCK): _StuckEvent,
    # One type with what the ERP is told of a cancellation.
    notice_type(Notice.CANCELLED): CancelToErpEvent,
    notice_type(Notice.CANCEL_REFUSED): _CancelRefusedEvent,
    notice_type(Notice.INVOICED): _InvoicedEvent,
    notice_type(Notice.SHIPPED): _ShippedEvent,
}


def notice_data(order_id: str | None, data: Mapping[str, Any]) -> str:
    """Return the data of a notice as JSON text."""
    return orjson.dumps({"order_id": order_id, **data}).decode()


def notice_event(identity: str, position: int, order_id: str | None, kind: str, data: str, at: datetime) -> bytes:
    """Return the event of a notice; every repeat of it has the same id."""
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": identity,
        "source": "/comporta",
        "type": notice_type(kind),
        "time": at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "sequence": str(position),
    }
    if order_id is not None:
        event["subject"] = order_id
    event["data"] = orjson.Fragment(data)
    return orjson.dumps(event)


def notice_id(position: int, at: datetime) -> str:
    """Return the id of a notice: with its time, since a restored database gives a position again."""
    return f"{position}-{int(at.timestamp() * 1_000_000)}"
