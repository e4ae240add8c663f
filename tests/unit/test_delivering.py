"""What an answer makes of an order, and how fast a shop's orders may leave: tables, with the time passed in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.orders import DeliveryStatus, ErpResponse, OrderRecord, OrderState, OrderUpdate, after_attempt, apply_receipt
from rules.outcomes import Outcome
from rules.throttle import Throttle
from schemas.orders import Receipt

NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("answer", "after"),
    [
        (ErpResponse(DeliveryStatus.SENT), OrderUpdate(OrderState.SENT, None, None, None)),
        (ErpResponse(DeliveryStatus.INTERNALIZED, "7"), OrderUpdate(OrderState.INTERNALIZED, "7", None, None)),
        (ErpResponse(DeliveryStatus.REJECTED, error="no"), OrderUpdate(OrderState.REJECTED, None, "no", None)),
        (
            ErpResponse(DeliveryStatus.FAILED, error="down"),
            OrderUpdate(OrderState.WAITING, None, "down", NOW + timedelta(seconds=1)),
        ),
        (
            ErpResponse(DeliveryStatus.FAILED, error="slow down", retry_after=90),
            OrderUpdate(OrderState.WAITING, None, "slow down", NOW + timedelta(seconds=90)),
        ),
    ],
)
def test_an_answer_says_where_the_order_stands_then(answer: ErpResponse, after: OrderUpdate) -> None:
    assert after_attempt(answer, 1, NOW, chance=1.0) == after


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_waits_grow_to_five_minutes_and_are_spread(attempts: int, chance: float) -> None:
    at = after_attempt(ErpResponse(DeliveryStatus.FAILED), attempts, NOW, chance).next_attempt_at
    assert at is not None
    most = min(300.0, 2.0 ** min(attempts - 1, 20))
    assert most / 2 <= (at - NOW).total_seconds() <= most


def allowed(pace: Throttle, seconds: range) -> list[int]:
    """How many leave in each second, asked a hundred times a second."""
    left = []
    for second in seconds:
        number = 0
        for hundredth in range(100):
            allows = min(pace.allows(second + hundredth / 100), 10_000)
            pace.sent(int(allows))
            number += int(allows)
        left.append(number)
    return left


def test_after_a_pause_a_shop_starts_at_fifty_a_second_and_doubles_every_five() -> None:
    pace = Throttle()
    assert pace.allows(0.0) == float("inf")
    pace.slow_down(0.0)
    rates = allowed(pace, range(20))
    for second, rate in enumerate(rates):
        assert 0.9 <= rate / (50 * 2 ** (second // 5)) <= 1.1
    assert pace.allows(40.0) == float("inf")


def test_several_workers_keep_the_pace_together() -> None:
    paces = [Throttle() for _ in range(4)]
    for pace in paces:
        pace.slow_down(0.0)
    left = 0
    for hundredth in range(500):
        for pace in paces:
            allows = int(pace.allows(hundredth / 100, len(paces)))
            pace.sent(allows)
            left += allows
    assert 0.9 <= left / 250 <= 1.1


def test_an_error_sends_a_slow_start_back_to_its_beginning() -> None:
    pace = Throttle()
    pace.slow_down(0.0)
    allowed(pace, range(12))
    pace.failed(12.0)
    assert sum(allowed(pace, range(12, 13))) <= 55


def test_five_failures_in_a_row_close_a_shop_and_then_one_order_probes() -> None:
    pace = Throttle()
    for _ in range(4):
        pace.failed(0.0)
    assert pace.allows(0.0) == float("inf")
    pace.failed(0.0)
    assert pace.allows(4.9) == 0
    assert pace.allows(5.0) == 1
    pace.sent(1)
    assert pace.allows(5.0) == 0
    pace.failed(6.0)
    # The next break is longer.
    assert pace.allows(15.9) == 0
    assert pace.allows(16.0) == 1
    pace.sent(1)
    pace.succeeded()
    assert pace.allows(16.0) == float("inf")


KNOWN = OrderRecord("d", OrderState.SENT)
AGAIN = OrderRecord("d", OrderState.WAITING, None, None, "r2")
DONE = OrderRecord("d", OrderState.INTERNALIZED, "7", None, "r1")


def receipt(event_id: str = "r2", number: str | None = None, reason: str | None = None) -> Receipt:
    return Receipt("main", "O1", event_id, number, reason)


@pytest.mark.parametrize(
    ("known", "said", "outcome", "state"),
    [
        (None, receipt(number="7"), Outcome.QUARANTINED, None),
        (OrderRecord("d", OrderState.WAITING), receipt(number="7"), Outcome.APPLIED, OrderState.INTERNALIZED),
        (OrderRecord("d", OrderState.SENDING), receipt(number="7"), Outcome.APPLIED, OrderState.INTERNALIZED),
        (KNOWN, receipt(number="7"), Outcome.APPLIED, OrderState.INTERNALIZED),
        (OrderRecord("d", OrderState.REJECTED), receipt(number="7"), Outcome.APPLIED, OrderState.INTERNALIZED),
        (DONE, receipt(number="7"), Outcome.SUPERSEDED, OrderState.INTERNALIZED),
        (DONE, receipt(number="8"), Outcome.QUARANTINED, None),
        (KNOWN, receipt(reason="no"), Outcome.APPLIED, OrderState.REJECTED),
        (DONE, receipt(reason="no"), Outcome.QUARANTINED, None),
        # An operator has sent it again: the old refusal is no answer to that.
        (
            OrderRecord("d", OrderState.WAITING, None, None, "r2"),
            receipt(reason="no"),
            Outcome.SUPERSEDED,
            OrderState.WAITING,
        ),
    ],
)
def test_a_receipt_counts_whatever_the_state(
    known: OrderRecord | None, said: Receipt, outcome: Outcome, state: OrderState | None
) -> None:
    settled = apply_receipt(known, said, NOW)
    assert (settled.outcome, settled.order and settled.order.state) == (outcome, state)
    assert (settled.refusal is not None) is (outcome is Outcome.QUARANTINED)
