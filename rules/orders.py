"""The life of an order, and what a receipt changes in it."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from rules.outcomes import Outcome
from schemas.orders import Receipt
from schemas.reasons import Reason, Refusal

__all__ = [
    "DeliveryStatus",
    "ErpResponse",
    "OrderRecord",
    "OrderState",
    "OrderUpdate",
    "ReceiptDecision",
    "after_attempt",
    "apply_receipt",
]
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 300.0
_LONGEST_ERROR = 500


class OrderState(StrEnum):
    """Where an order stands (contract, section 6)."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    INTERNALIZED = "internalized"
    REJECTED = "rejected"


class OrderRecord(NamedTuple):
    """What is known of an order: its content's digest, where it stands, and the last receipt that counted."""

    digest: str
    state: OrderState
    erp_number: str | None = None
    last_error: str | None = None
    receipt_id: str | None = None


class ReceiptDecision(NamedTuple):
    """What a receipt comes to: the order as it is from now on, or why the receipt is refused."""

    outcome: Outcome
    order: OrderRecord | None = None
    refusal: Refusal | None = None


def apply_receipt(known: OrderRecord | None, receipt: Receipt) -> ReceiptDecision:
    """What a receipt changes, whatever the order's state: it may come before the confirm of the sending."""
    if known is None:
        return _refused(Reason.ORDER_UNKNOWN, "no such order has come from the shop")
    if known.receipt_id == receipt.event_id:
        # Also after an operator has sent the order again: the old answer is not an answer to that.
        return ReceiptDecision(Outcome.SUPERSEDED, known)
    if receipt.erp_number is not None:
        return _internalized(known, receipt, receipt.erp_number)
    return _rejected(known, receipt)


def _internalized(known: OrderRecord, receipt: Receipt, number: str) -> ReceiptDecision:
    if known.state is not OrderState.INTERNALIZED:
        order = known._replace(state=OrderState.INTERNALIZED, erp_number=number, last_error=None)
        return ReceiptDecision(Outcome.APPLIED, order._replace(receipt_id=receipt.event_id))
    if known.erp_number == number:
        return ReceiptDecision(Outcome.SUPERSEDED, known)
    return _refused(Reason.ORDER_CHANGED, "the order is internalized already, under another number")


def _rejected(known: OrderRecord, receipt: Receipt) -> ReceiptDecision:
    if known.state is OrderState.INTERNALIZED:
        return _refused(Reason.ORDER_CHANGED, "the order is internalized already: it can't be rejected any more")
    order = known._replace(state=OrderState.REJECTED, last_error=receipt.reason, receipt_id=receipt.event_id)
    return ReceiptDecision(Outcome.APPLIED, order)


def _refused(reason: Reason, sentence: str) -> ReceiptDecision:
    return ReceiptDecision(Outcome.QUARANTINED, refusal=Refusal(reason, "/data/order_id", sentence))


class DeliveryStatus(StrEnum):
    """What an ERP, or the way to it, said to one attempt."""

    SENT = "sent"
    INTERNALIZED = "internalized"
    REJECTED = "rejected"
    FAILED = "failed"


class ErpResponse(NamedTuple):
    """The answer to one attempt: the ERP's number, or why it has none; `retry_after` seconds if it asked for them."""

    said: DeliveryStatus
    erp_number: str | None = None
    error: str | None = None
    retry_after: float | None = None


class OrderUpdate(NamedTuple):
    """How an order stands after an attempt."""

    state: OrderState
    erp_number: str | None
    last_error: str | None
    next_attempt_at: datetime | None


def after_attempt(answer: ErpResponse, attempts: int, now: datetime, chance: float) -> OrderUpdate:
    """What to write after the `attempts`-th attempt; `chance` from 0 to 1 spreads the waits.

    They grow from a second to five minutes, and are never shorter than the ERP asked for.
    """
    error = answer.error[:_LONGEST_ERROR] if answer.error else None
    if answer.said is DeliveryStatus.SENT:
        return OrderUpdate(OrderState.SENT, None, None, None)
    if answer.said is DeliveryStatus.INTERNALIZED:
        return OrderUpdate(OrderState.INTERNALIZED, answer.erp_number, None, None)
    if answer.said is DeliveryStatus.REJECTED:
        return OrderUpdate(OrderState.REJECTED, None, error, None)
    growing = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(attempts - 1, 20))
    wait = max(growing * (0.5 + chance / 2), answer.retry_after or 0.0)
    return OrderUpdate(OrderState.WAITING, None, error, now + timedelta(seconds=wait))
