"""An order's state after a cancellation, a hold, a release and the ERP's answers: tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rules.cancellations import (
    after_cancel_attempt,
    answer_cancellation,
    cancel,
    cancel_again,
    hold,
    release,
)
from rules.orders import CancelState, DeliveryStatus, ErpResponse, OrderRecord, OrderState, apply_receipt
from rules.outcomes import Outcome
from schemas.order_news import CancelAnswer, Cancellation
from schemas.receipts import Receipt

NOW = datetime(2026, 11, 23, tzinfo=UTC)
WISH = Cancellation("main", "O1", "c1", "customer", None)
TELLING, TOLD, CONFIRMED = CancelState.TELLING, CancelState.TOLD, CancelState.CONFIRMED


def order(state: str, attempts: int = 1, cancellation: CancelState | None = None) -> OrderRecord:
    return OrderRecord("digest", OrderState(state), attempts=attempts, cancellation=cancellation)


@pytest.mark.parametrize(
    ("state", "attempts", "after", "cancellation"),
    [
        ("waiting", 0, "cancelled", None),
        ("held", 0, "cancelled", None),
        ("rejected", 1, "cancelled", None),
        # A failed attempt may have reached the ERP.
        ("waiting", 1, "cancelled", TELLING),
        ("held", 2, "cancelled", TELLING),
        ("stuck", 20, "cancelled", TELLING),
        ("sending", 1, "sending", TELLING),
        ("sent", 1, "sent", TELLING),
        ("internalized", 1, "internalized", TELLING),
    ],
)
def test_an_order_that_never_left_is_cancelled_and_of_any_other_the_erp_is_told(
    state: str, attempts: int, after: str, cancellation: CancelState | None
) -> None:
    cancelled = cancel(order(state, attempts), WISH, NOW)
    assert cancelled is not None
    assert (cancelled.state, cancelled.cancellation) == (after, cancellation)
    assert (cancelled.cancel_reason, cancelled.cancelled_at) == ("customer", NOW)
    assert cancelled.cancel_due_at == (NOW if cancellation else None)
    assert cancel(cancelled, WISH, NOW) is None


@pytest.mark.parametrize("state", OrderState)
def test_only_an_order_that_is_not_in_flight_and_not_done_can_be_held(state: OrderState) -> None:
    held = hold(order(state))
    assert (held is not None) is (state not in {"sending", "internalized", "held", "cancelled"})
    if held is not None:
        released = release(held)
        assert released is not None
        assert released.state == "waiting"
    assert (release(order(state)) is not None) is (state == "held")


def test_an_order_that_is_being_cancelled_cannot_be_held() -> None:
    assert hold(order("sent", 1, TOLD)) is None


def test_only_an_operator_may_cancel_again_what_the_erp_has_refused() -> None:
    refused = order("sent", 1, CancelState.REFUSED)
    assert cancel(refused, WISH, NOW) is None
    again = cancel_again(refused, WISH, NOW)
    assert again is not None
    assert (again.cancellation, again.cancel_due_at) == (TELLING, NOW)
    assert cancel_again(order("sent", 1, TOLD), WISH, NOW) is None


@pytest.mark.parametrize("state", ["sent", "internalized", "sending", "cancelled", "waiting"])
def test_the_erp_confirms_a_cancellation_in_any_state_also_one_of_its_own(state: str) -> None:
    for cancellation in (None, TELLING, TOLD, CancelState.REFUSED):
        record = order(state, 1, cancellation)
        decision = answer_cancellation(record, CancelAnswer("main", "O1", "r1", True, "no stock"))
        assert decision.order is not None
        assert (decision.outcome, decision.order.state, decision.order.cancellation) == (
            Outcome.APPLIED,
            "cancelled",
            CONFIRMED,
        )
        again = answer_cancellation(decision.order, CancelAnswer("main", "O1", "r2", True, None))
        assert again.outcome is Outcome.SUPERSEDED


def test_the_erp_refuses_a_cancellation_and_the_order_stays_as_it_is() -> None:
    answer = CancelAnswer("main", "O1", "r1", False, "shipped already")
    decision = answer_cancellation(order("internalized", 1, TOLD), answer)
    assert decision.order is not None
    assert (decision.order.state, decision.order.cancellation, decision.order.cancel_error) == (
        "internalized",
        CancelState.REFUSED,
        "shipped already",
    )
    for record in (None, order("sent"), order("cancelled", 1, CONFIRMED)):
        assert answer_cancellation(record, answer).outcome is Outcome.QUARANTINED


def test_a_number_that_comes_after_the_confirmed_cancellation_is_kept_and_the_order_stays_cancelled() -> None:
    decision = apply_receipt(order("cancelled", 1, CONFIRMED), Receipt("main", "O1", "r1", "7", None), NOW)
    assert decision.order is not None
    assert (decision.order.state, decision.order.erp_number) == ("cancelled", "7")


def test_the_erp_hears_of_a_cancellation_if_it_has_taken_the_order_all_the_same() -> None:
    decision = apply_receipt(order("cancelled", 0), Receipt("main", "O1", "r1", "7", None), NOW)
    assert decision.order is not None
    assert (decision.order.state, decision.order.cancellation) == ("internalized", TELLING)


def test_an_order_that_the_erp_rejects_while_it_is_being_cancelled_is_cancelled() -> None:
    decision = apply_receipt(order("sent", 1, TELLING), Receipt("main", "O1", "r1", None, "no credit"), NOW)
    assert decision.order is not None
    assert (decision.order.state, decision.order.cancellation) == ("cancelled", None)


@pytest.mark.parametrize(
    ("response", "after"),
    [
        (None, (CancelState.CANCEL_REQUESTED, None, None)),
        (ErpResponse(DeliveryStatus.SENT), (TOLD, None, None)),
        (ErpResponse(DeliveryStatus.REJECTED, error="no"), (CancelState.REFUSED, None, "no")),
        (ErpResponse(DeliveryStatus.FAILED, error="down"), (TELLING, NOW + timedelta(seconds=1), "down")),
    ],
)
def test_a_failed_attempt_is_repeated_and_any_other_is_the_last(response: ErpResponse | None, after: object) -> None:
    assert after_cancel_attempt(response, 1, NOW, 1.0) == after
