"""What becomes of an order after an attempt to hand it to the ERP; the time and the chance are passed in."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from rules.orders import OrderState

__all__ = ["Answer", "Attempted", "Said", "after_attempt"]

_FIRST_WAIT, _LONGEST_WAIT = 1.0, 300.0
_LONGEST_ERROR = 500


class Said(StrEnum):
    """What an ERP, or the way to it, said to one attempt."""

    SENT = "sent"
    INTERNALIZED = "internalized"
    REJECTED = "rejected"
    FAILED = "failed"


class Answer(NamedTuple):
    """The answer to one attempt: the ERP's number, or why it has none; `retry_after` seconds if it asked for them."""

    said: Said
    erp_number: str | None = None
    error: str | None = None
    retry_after: float | None = None


class Attempted(NamedTuple):
    """How an order stands after an attempt."""

    state: OrderState
    erp_number: str | None
    last_error: str | None
    next_attempt_at: datetime | None


def after_attempt(answer: Answer, attempts: int, now: datetime, chance: float) -> Attempted:
    """What to write after the `attempts`-th attempt; `chance` from 0 to 1 spreads the waits.

    They grow from a second to five minutes, and are never shorter than the ERP asked for.
    """
    error = answer.error[:_LONGEST_ERROR] if answer.error else None
    if answer.said is Said.SENT:
        return Attempted(OrderState.SENT, None, None, None)
    if answer.said is Said.INTERNALIZED:
        return Attempted(OrderState.INTERNALIZED, answer.erp_number, None, None)
    if answer.said is Said.REJECTED:
        return Attempted(OrderState.REJECTED, None, error, None)
    growing = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(attempts - 1, 20))
    wait = max(growing * (0.5 + chance / 2), answer.retry_after or 0.0)
    return Attempted(OrderState.WAITING, None, error, now + timedelta(seconds=wait))
