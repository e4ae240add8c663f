"""Cancellations of orders, the ERP's answers to them, and its later news of an order."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, StringConstraints

from schemas.events import Attributes
from schemas.fields import Id, Message, Text, Time, Url
from schemas.keys import Key
from schemas.patterns import NO_NUL

__all__ = [
    "CANCELLED",
    "CANCEL_REFUSED",
    "CANCEL_TO_ERP",
    "ERP_CANCELLED",
    "INVOICED",
    "LONGEST_REASON",
    "NEWS_TYPES",
    "SHIPPED",
    "CancelAnswer",
    "CancelToErpEvent",
    "Cancellation",
    "OrderEvent",
    "OrderNews",
    "Reason",
]

CANCELLED, CANCEL_TO_ERP = "shop.order.cancelled.v1", "comporta.order.cancelled.v1"
ERP_CANCELLED, CANCEL_REFUSED = "erp.order.cancelled.v1", "erp.order.cancel_refused.v1"
INVOICED, SHIPPED = "erp.order.invoiced.v1", "erp.order.shipped.v1"

LONGEST_REASON = 4_000


def _shortened(reason: str) -> str:
    # An answer must not be refused for its length: the order would wait for it, or leave although it was cancelled.
    return reason if len(reason) <= LONGEST_REASON else f"{reason[: LONGEST_REASON - 1]}…"


Reason = Annotated[str, StringConstraints(min_length=1, pattern=NO_NUL), AfterValidator(_shortened)]
LooseReason = Annotated[str, StringConstraints(pattern=NO_NUL), AfterValidator(_shortened)]


class Cancellation(NamedTuple):
    """The shop's wish that an order be cancelled, which may come before the order."""

    shop: str
    order_id: str
    event_id: str
    reason: str | None
    cancelled_at: datetime | None


class CancelAnswer(NamedTuple):
    """The ERP's answer to a cancellation: done, or refused with the reason."""

    shop: str
    order_id: str
    event_id: str
    cancelled: bool
    reason: str | None


class OrderNews(NamedTuple):
    """Later news of an order (`invoiced`, `shipped`); `data` is whole, with every field of the ERP."""

    shop: str
    order_id: str
    event_id: str
    event: str
    data: dict[str, Any]
    occurred_at: datetime | None


class OrderEvent(Attributes):
    """Attributes of an event about an order."""

    subject: Text | None = None


class CancelledData(Message):
    """An order that is to be cancelled, and why."""

    order_id: Key
    reason: LooseReason | None = None
    cancelled_at: Time | None = None


class CancelToErpData(CancelledData):
    """The order that is cancelled; `erp_number` is its number in the ERP, if the ERP has told one."""

    erp_number: Id | None = None


class ErpCancelledData(Message):
    """An order that the ERP has cancelled."""

    order_id: Id
    reason: LooseReason | None = None


class CancelRefusedData(Message):
    """Why the ERP does not cancel an order."""

    order_id: Id
    reason: Reason


class InvoicedData(Message):
    """The invoice of an order: its number, its access key and where it can be read."""

    order_id: Id
    number: Id
    key: Text | None = None
    issued_at: Time | None = None
    url: Url | None = None


class ShippedData(Message):
    """The shipment of an order, or of a part of it."""

    order_id: Id
    carrier: Text | None = None
    tracking: Text | None = None
    shipped_at: Time | None = None


class CancelledEvent(OrderEvent):
    """The shop cancels an order."""

    type: Literal["shop.order.cancelled.v1"]
    data: CancelledData


class CancelToErpEvent(OrderEvent):
    """An order is cancelled: on `erp.orders` the ERP is to cancel it, on `comporta.orders` the shop hears that it is.

    Every repeat has the same id.
    """

    type: Literal["comporta.order.cancelled.v1"]
    data: CancelToErpData


class ErpCancelledEvent(OrderEvent):
    """The ERP has cancelled an order."""

    type: Literal["erp.order.cancelled.v1"]
    data: ErpCancelledData


class CancelRefusedEvent(OrderEvent):
    """The ERP does not cancel an order."""

    type: Literal["erp.order.cancel_refused.v1"]
    data: CancelRefusedData


class InvoicedEvent(OrderEvent):
    """The ERP has invoiced an order."""

    type: Literal["erp.order.invoiced.v1"]
    data: InvoicedData


class ShippedEvent(OrderEvent):
    """The ERP has shipped an order."""

    type: Literal["erp.order.shipped.v1"]
    data: ShippedData


NEWS_TYPES: dict[str, type[Attributes]] = {
    CANCELLED: CancelledEvent,
    CANCEL_TO_ERP: CancelToErpEvent,
    ERP_CANCELLED: ErpCancelledEvent,
    CANCEL_REFUSED: CancelRefusedEvent,
    INVOICED: InvoicedEvent,
    SHIPPED: ShippedEvent,
}
