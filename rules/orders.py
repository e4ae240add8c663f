"""Order states, and their changes by a receipt or a delivery attempt."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from rules.outcomes import Outcome
from schemas.reasons import Reason, Refusal

if TYPE_CHECKING:
    from schemas.receipts import Receipt

__all__ = [
    "CANCELLING",
    "NOT_PLACED",
    "NO_FAILURES",
    "ORDER_ATTEMPTS",
    "RETRYABLE",
    "CancelState",
    "DeliveryStatus",
    "ErpResponse",
    "FailureHistory",
    "OrderRecord",
    "OrderState",
    "OrderUpdate",
    "ReceiptDecision",
    "after_attempt",
    "apply_receipt",
]
# Failures, while other orders succeeded, after which an order is stuck: the default.
ORDER_ATTEMPTS = 20
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 300.0
# While no order of the shop succeeds, the throttle holds them back: no order is to wait much longer than the outage.
_LONGEST_WAIT_IN_OUTAGE = 30.0
# A success longer ago says nothing about the ERP's state at a failure.
_EVIDENCE_SECONDS = 600.0
_LONGEST_ERROR = 500
# No digest: an empty text stands for an order that was cancelled before it came.
NOT_PLACED = ""


class OrderState(StrEnum):
    """State of an order (contract, section 6)."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    INTERNALIZED = "internalized"
    REJECTED = "rejected"
    STUCK = "stuck"
    HELD = "held"
    CANCELLED = "cancelled"


# States in which an operator may send an order again; a held one is released.
RETRYABLE = (OrderState.REJECTED, OrderState.SENT, OrderState.STUCK, OrderState.WAITING)


class CancelState(StrEnum):
    """State of a cancellation that the ERP has to hear of; an order that never left has none."""

    TELLING = "telling"
    TOLD = "told"
    # The ERP takes no cancellations: an operator has to tell it.
    CANCEL_REQUESTED = "cancel_requested"
    REFUSED = "refused"
    CONFIRMED = "confirmed"


# An order with such a cancellation never leaves again.
CANCELLING = (CancelState.TELLING, CancelState.TOLD, CancelState.CANCEL_REQUESTED)


class OrderRecord(NamedTuple):
    """Stored order: the digest of its content, its state, and the last receipt that was applied.

    An order that was cancelled before it came has the digest `NOT_PLACED`.
    """

    digest: str
    state: OrderState
    erp_number: str | None = None
    last_error: str | None = None
    receipt_id: str | None = None
    attempts: int = 0
    cancellation: CancelState | None = None
    cancel_reason: str | None = None
    cancelled_at: datetime | None = None
    cancel_due_at: datetime | None = None
    cancel_error: str | None = None


class ReceiptDecision(NamedTuple):
    """Outcome of a receipt: the order after it, or the refusal."""

    outcome: Outcome
    order: OrderRecord | None = None
    refusal: Refusal | None = None


def apply_receipt(record: OrderRecord | None, receipt: Receipt, now: datetime) -> ReceiptDecision:
    """Return the decision on a receipt, in any state of the order: it may precede the confirm of the delivery."""
    if record is None or record.digest == NOT_PLACED:
        return _refused(Reason.ORDER_UNKNOWN, "no such order has come from the shop")
    if record.receipt_id == receipt.event_id:
        # Also after an operator has sent the order again: a repeat of the old receipt does not answer the new delivery.
        return ReceiptDecision(Outcome.SUPERSEDED, record)
    if receipt.erp_number is not None:
        return _internalized(record, receipt, receipt.erp_number, now)
    return _rejected(record, receipt)


def _internalized(record: OrderRecord, receipt: Receipt, number: str, now: datetime) -> ReceiptDecision:
    if record.cancellation is CancelState.CONFIRMED:
        return _late_number(record, receipt, number)
    if record.state is OrderState.CANCELLED and record.cancellation is None:
        # The ERP has the order all the same, and must hear of the cancellation.
        record = record._replace(cancellation=CancelState.TELLING, cancel_due_at=now)
    if record.state is not OrderState.INTERNALIZED:
        order = record._replace(state=OrderState.INTERNALIZED, erp_number=number, last_error=None)
        return ReceiptDecision(Outcome.APPLIED, order._replace(receipt_id=receipt.event_id))
    if record.erp_number == number:
        return ReceiptDecision(Outcome.SUPERSEDED, record)
    return _refused(Reason.ORDER_CHANGED, "the order is internalized already, under another number")


def _late_number(record: OrderRecord, receipt: Receipt, number: str) -> ReceiptDecision:
    """Keep the number of an order that the ERP has cancelled since."""
    if record.erp_number == number:
        return ReceiptDecision(Outcome.SUPERSEDED, record)
    if record.erp_number is not None:
        return _refused(Reason.ORDER_CHANGED, "the order is internalized already, under another number")
    return ReceiptDecision(Outcome.APPLIED, record._replace(erp_number=number, receipt_id=receipt.event_id))


def _rejected(record: OrderRecord, receipt: Receipt) -> ReceiptDecision:
    if record.state is OrderState.INTERNALIZED:
        return _refused(Reason.ORDER_CHANGED, "the order is internalized already: it can't be rejected any more")
    if record.state is OrderState.CANCELLED or record.cancellation in CANCELLING:
        # The ERP has not taken the order: there is nothing left to cancel.
        order = record._replace(state=OrderState.CANCELLED, receipt_id=receipt.event_id)
        if record.cancellation is not CancelState.CONFIRMED:
            order = order._replace(cancellation=None, cancel_due_at=None)
        return ReceiptDecision(Outcome.APPLIED, order)
    order = record._replace(state=OrderState.REJECTED, last_error=receipt.reason, receipt_id=receipt.event_id)
    return ReceiptDecision(Outcome.APPLIED, order)


def _refused(reason: Reason, sentence: str) -> ReceiptDecision:
    return ReceiptDecision(Outcome.QUARANTINED, refusal=Refusal(reason, "/data/order_id", sentence))


class DeliveryStatus(StrEnum):
    """Result of one delivery attempt, from the ERP or the connection to it."""

    SENT = "sent"
    INTERNALIZED = "internalized"
    REJECTED = "rejected"
    FAILED = "failed"


class ErpResponse(NamedTuple):
    """Response to one attempt: the ERP's number, or the error; `retry_after` in seconds if the ERP requested a wait."""

    status: DeliveryStatus
    erp_number: str | None = None
    error: str | None = None
    retry_after: float | None = None


class FailureHistory(NamedTuple):
    """Failed attempts of an order: the number while others succeeded, and the time of the first of all."""

    failures: int = 0
    since: datetime | None = None


NO_FAILURES = FailureHistory()


class OrderUpdate(NamedTuple):
    """State of an order after an attempt; the last two are its `FailureHistory`."""

    state: OrderState
    erp_number: str | None
    last_error: str | None
    next_attempt_at: datetime | None
    failures: int = 0
    failing_since: datetime | None = None


def after_attempt(
    response: ErpResponse,
    attempts: int,
    now: datetime,
    chance: float,
    history: FailureHistory = NO_FAILURES,
    others_succeeded_at: datetime | None = None,
    limit: int = ORDER_ATTEMPTS,
) -> OrderUpdate:
    """Return the update after the `attempts`-th attempt; `chance` from 0 to 1 spreads the waits.

    A failure counts against the order only if another order of the shop has succeeded since this one failed first,
    and lately: an ERP that is down makes no order stuck. With `limit` such failures it is. The waits grow from a
    second to 30 seconds, for an order whose failures count to five minutes; never shorter than `retry_after`.
    """
    error = response.error[:_LONGEST_ERROR] if response.error else None
    if response.status is DeliveryStatus.SENT:
        return OrderUpdate(OrderState.SENT, None, None, None)
    if response.status is DeliveryStatus.INTERNALIZED:
        return OrderUpdate(OrderState.INTERNALIZED, response.erp_number, None, None)
    if response.status is DeliveryStatus.REJECTED:
        return OrderUpdate(OrderState.REJECTED, None, error, None)
    since = history.since or now
    counts = _counts(since, now, others_succeeded_at)
    failures = history.failures + counts
    if failures >= limit:
        return OrderUpdate(OrderState.STUCK, None, error, None, failures, since)
    longest = _LONGEST_WAIT if counts else _LONGEST_WAIT_IN_OUTAGE
    backoff = min(longest, _FIRST_WAIT * 2 ** min(attempts - 1, 20))
    wait = max(backoff * (0.5 + chance / 2), response.retry_after or 0.0)
    return OrderUpdate(OrderState.WAITING, None, error, now + timedelta(seconds=wait), failures, since)


def _counts(since: datetime, now: datetime, others_succeeded_at: datetime | None) -> bool:
    if others_succeeded_at is None or others_succeeded_at < since:
        return False
    return (now - others_succeeded_at).total_seconds() <= _EVIDENCE_SECONDS
