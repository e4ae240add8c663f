"""Rules of order delivery: the meaning of an answer, and the pace of a shop's orders, as tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.orders import (
    DeliveryStatus,
    ErpResponse,
    FailureHistory,
    OrderRecord,
    OrderState,
    OrderUpdate,
    after_attempt,
    apply_receipt,
)
from rules.outcomes import Outcome
from rules.throttle import Throttle
from schemas.receipts import Receipt

NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("answer", "after"),
    [
        (ErpResponse(DeliveryStatus.SENT), OrderUpdate(OrderState.SENT, None, None, None)),
        (ErpResponse(DeliveryStatus.INTERNALIZED, "7"), OrderUpdate(OrderState.INTERNALIZED, "7", None, None)),
        (ErpResponse(DeliveryStatus.REJECTED, error="no"), OrderUpdate(OrderState.REJECTED, None, "no", None)),
        (
            ErpResponse(DeliveryStatus.FAILED, error="down"),
            OrderUpdate(OrderState.WAITING, None, "down", NOW + timedelta(seconds=1), 0, NOW),
        ),
        (
            ErpResponse(DeliveryStatus.FAILED, error="slow down", retry_after=90),
            OrderUpdate(OrderState.WAITING, None, "slow down", NOW + timedelta(seconds=90), 0, NOW),
        ),
    ],
)
def test_an_answer_says_where_the_order_stands_then(answer: ErpResponse, after: OrderUpdate) -> None:
    assert after_attempt(answer, 1, NOW, chance=1.0) == after


EARLIER, LONG_AGO = NOW - timedelta(seconds=60), NOW - timedelta(days=7)
FAILED = ErpResponse(DeliveryStatus.FAILED, error="HTTP 500")


@given(st.integers(1, 10_000), st.floats(0, 1), st.booleans())
def test_waits_grow_to_half_a_minute_or_where_others_succeed_to_five_and_are_spread(
    attempts: int, chance: float, others: bool
) -> None:
    history = FailureHistory(0, EARLIER)
    at = after_attempt(FAILED, attempts, NOW, chance, history, NOW if others else None).next_attempt_at
    assert at is not None
    most = min(300.0 if others else 30.0, 2.0 ** min(attempts - 1, 20))
    assert most / 2 <= (at - NOW).total_seconds() <= most


@pytest.mark.parametrize(
    ("history", "succeeded", "state", "failures"),
    [
        # The first failure of all: no success can have come after it.
        (FailureHistory(0, None), EARLIER, "waiting", 0),
        (FailureHistory(0, EARLIER), None, "waiting", 0),
        (FailureHistory(2, EARLIER), EARLIER - timedelta(seconds=1), "waiting", 2),
        (FailureHistory(0, EARLIER), NOW, "waiting", 1),
        (FailureHistory(1, EARLIER), NOW, "waiting", 2),
        (FailureHistory(2, EARLIER), NOW, "stuck", 3),
        (FailureHistory(2, EARLIER), EARLIER, "stuck", 3),
        # In an outage of a week nothing succeeds, and whatever failed before it is not to blame for it.
        (FailureHistory(2, LONG_AGO), LONG_AGO + timedelta(hours=1), "waiting", 2),
        (FailureHistory(2, LONG_AGO), NOW - timedelta(seconds=600), "stuck", 3),
        (FailureHistory(2, LONG_AGO), NOW - timedelta(seconds=601), "waiting", 2),
    ],
)
def test_an_order_is_stuck_once_it_has_failed_often_enough_while_others_succeeded(
    history: FailureHistory, succeeded: datetime | None, state: str, failures: int
) -> None:
    update = after_attempt(FAILED, 1000, NOW, 1.0, history, succeeded, limit=3)
    assert (update.state, update.failures, update.last_error) == (state, failures, "HTTP 500")
    assert update.failing_since == (history.since or NOW)
    assert (update.next_attempt_at is None) is (state == "stuck")


@pytest.mark.parametrize("status", [DeliveryStatus.SENT, DeliveryStatus.INTERNALIZED, DeliveryStatus.REJECTED])
def test_an_answer_about_the_order_ends_its_failures(status: DeliveryStatus) -> None:
    update = after_attempt(ErpResponse(status, "7"), 9, NOW, 1.0, FailureHistory(19, EARLIER), NOW)
    assert (update.failures, update.failing_since) == (0, None)


def allowed(pace: Throttle, seconds: range) -> list[int]:
    """How many leave in each second, asked a hundred times a second."""
    left = []
    for second in seconds:
        number = 0
        for hundredth in range(100):
            allows = min(pace.allows(second + hundredth / 100), 10_000)
            pace.sent(int(allows), second + hundredth / 100)
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
            pace.sent(allows, hundredth / 100)
            left += allows
    assert 0.9 <= left / 250 <= 1.1


def test_an_error_sends_a_slow_start_back_to_its_beginning() -> None:
    pace = Throttle()
    pace.slow_down(0.0)
    allowed(pace, range(12))
    pace.failed(12.0)
    assert sum(allowed(pace, range(12, 13))) <= 55


def opened() -> Throttle:
    """A shop whose breaker has opened at 0."""
    pace = Throttle()
    for _ in range(4):
        pace.failed(0.0)
    assert pace.allows(0.0) == float("inf")
    pace.failed(0.0)
    return pace


def test_after_five_failures_in_a_row_more_and_more_orders_probe_after_breaks_until_one_succeeds() -> None:
    pace, at = opened(), 0.0
    for wait, probes in [(5, 1), (10, 2), (15, 4), (15, 8), (15, 16), (15, 16)]:
        assert pace.allows(at + wait - 0.1) == 0
        at += wait
        assert pace.allows(at) == probes
        pace.sent(probes, at)
        assert pace.allows(at) == 0
        pace.failed(at, first=False)
        # Those that fail after the first do not make the break longer.
        pace.failed(at + 1, first=False)
    pace.succeeded(at + 2)
    assert pace.allows(at + 2) == float("inf")


def test_what_was_never_tried_is_tried_also_while_the_breaker_is_open() -> None:
    pace, sent = opened(), 0
    for hundredth in range(1, 1001):
        allows = int(pace.allows(hundredth / 100, untried=sent < 15))
        pace.sent(allows, hundredth / 100)
        sent += allows
        if allows:
            pace.failed(hundredth / 100)
    assert sent == 15


def test_a_probe_that_another_worker_took_first_does_not_keep_the_breaker_open_for_ever() -> None:
    pace = opened()
    assert pace.allows(5.0) == 1
    pace.sent(0, 5.0)
    assert pace.allows(5.1) == 1


def test_an_order_that_fails_again_and_again_does_not_slow_the_others_down() -> None:
    pace = Throttle()
    pace.slow_down(0.0)
    allowed(pace, range(12))
    pace.failed(12.0, first=False)
    assert sum(allowed(pace, range(12, 13))) > 150


def test_a_wait_that_the_erp_asks_for_holds_the_others_for_a_moment_and_only_once_an_order() -> None:
    pace = Throttle()
    pace.failed(0.0, retry_after=3600)
    assert (pace.allows(14.9, untried=True), pace.allows(15.0, untried=True)) == (0, float("inf"))
    pace.failed(16.0, first=False, retry_after=3600)
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
