"""Cancelling, holding and releasing of orders: the order after each, in any state."""

from __future__ import annotations

from datetime import datetime, timedelta

from rules.orders import (
    CANCELLING,
    NOT_PLACED,
    CancelState,
    DeliveryStatus,
    ErpResponse,
    OrderRecord,
    OrderState,
    ReceiptDecision,
    after_attempt,
)
from rules.outcomes import Outcome
from schemas.order_news import CancelAnswer, Cancellation
from schemas.reasons import Reason, Refusal

__all__ = ["HOLDABLE", "after_cancel_attempt", "answer_cancellation", "cancel", "cancel_again", "hold", "release"]

# In flight an order can't be held any more: its attempt ends in another state.
HOLDABLE = frozenset(OrderState) - {
    OrderState.SENDING,
    OrderState.INTERNALIZED,
    OrderState.HELD,
    OrderState.CANCELLED,
}
_AT_ERP = (OrderState.SENDING, OrderState.SENT, OrderState.INTERNALIZED)


def hold(record: OrderRecord) -> OrderRecord | None:
    """Return the order set aside, or None if it can't be held."""
    if record.state not in HOLDABLE or record.cancellation in CANCELLING:
        return None
    return record._replace(state=OrderState.HELD)


def release(record: OrderRecord) -> OrderRecord | None:
    """Return a held order as waiting, or None if it isn't held."""
    return record._replace(state=OrderState.WAITING) if record.state is OrderState.HELD else None


def cancel(record: OrderRecord, cancellation: Cancellation, now: datetime) -> OrderRecord | None:
    """Return the cancelled order, or None if it is cancelled already.

    An order that was never sent is cancelled at once. One that is or may be at the ERP stays as it is until the ERP has
    answered, but for this: it never leaves again.
    """
    if record.state is OrderState.CANCELLED or record.cancellation is not None:
        return None
    known = record._replace(cancel_reason=cancellation.reason, cancelled_at=cancellation.cancelled_at or now)
    telling = known._replace(cancellation=CancelState.TELLING, cancel_due_at=now)
    if record.state in _AT_ERP:
        return telling
    if record.state is OrderState.REJECTED or record.attempts == 0:
        return known._replace(state=OrderState.CANCELLED)
    # An attempt has failed after the ERP may have taken the order.
    return telling._replace(state=OrderState.CANCELLED)


def cancel_again(record: OrderRecord, cancellation: Cancellation, now: datetime) -> OrderRecord | None:
    """Return the order after a cancellation by an operator, who may repeat one that the ERP has refused or not heard.

    None if it is cancelled already, or on its way.
    """
    if record.cancellation in (CancelState.REFUSED, CancelState.CANCEL_REQUESTED):
        return record._replace(
            cancellation=CancelState.TELLING, cancel_due_at=now, cancel_reason=cancellation.reason, cancel_error=None
        )
    return cancel(record, cancellation, now)


def answer_cancellation(record: OrderRecord | None, answer: CancelAnswer) -> ReceiptDecision:
    """Return the decision on the ERP's answer to a cancellation, in any state of the order."""
    if record is None or record.digest == NOT_PLACED:
        return _refused(Reason.ORDER_UNKNOWN, "no such order has come from the shop")
    if record.receipt_id == answer.event_id:
        return ReceiptDecision(Outcome.SUPERSEDED, record)
    if answer.cancelled:
        if record.cancellation is CancelState.CONFIRMED:
            return ReceiptDecision(Outcome.SUPERSEDED, record)
        # Also without a cancellation by the shop: an ERP may cancel on its own.
        reason = record.cancel_reason if record.cancellation is not None else answer.reason
        order = record._replace(
            state=OrderState.CANCELLED, cancellation=CancelState.CONFIRMED, cancel_reason=reason, cancel_error=None
        )
    elif record.cancellation is None:
        return _refused(Reason.ORDER_CHANGED, "no cancellation of this order has been sent to the ERP")
    elif record.cancellation is CancelState.CONFIRMED:
        return _refused(Reason.ORDER_CHANGED, "the ERP has confirmed the cancellation already")
    else:
        order = record._replace(cancellation=CancelState.REFUSED, cancel_error=answer.reason)
    return ReceiptDecision(Outcome.APPLIED, order._replace(cancel_due_at=None, receipt_id=answer.event_id))


def after_cancel_attempt(
    response: ErpResponse | None, attempts: int, now: datetime, chance: float
) -> tuple[CancelState, datetime | None, str | None]:
    """Return the state, the time of the next attempt and the error after the ERP was told; None: it can't be told.

    A failed attempt is repeated after growing waits, as that of an order.
    """
    if response is None:
        return CancelState.CANCEL_REQUESTED, None, None
    if response.status is DeliveryStatus.SENT:
        return CancelState.TOLD, None, None
    if response.status is DeliveryStatus.REJECTED:
        return CancelState.REFUSED, None, response.error
    update = after_attempt(response._replace(status=DeliveryStatus.FAILED), attempts, now, chance)
    return CancelState.TELLING, update.next_attempt_at or now + timedelta(seconds=1), update.last_error


def _refused(reason: Reason, sentence: str) -> ReceiptDecision:
    return ReceiptDecision(Outcome.QUARANTINED, refusal=Refusal(reason, "/data/order_id", sentence))
