"""Claims of orders under the fence, oldest first, one claimant each, on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from rules.orders import DeliveryStatus, ErpResponse, after_attempt
from storage.order_queue import OrderQueue
from storage.views import OrderFilter, Views
from tests.support.order_events import decoded_order, decoded_receipt, internalized, placed
from tests.support.order_queue_harness import OrderQueueHarness, share_per_shop


@pytest.fixture
def harness(any_database_url: str) -> Iterator[OrderQueueHarness]:
    harness = OrderQueueHarness(any_database_url)
    yield harness
    harness.engine.dispose()


def test_the_oldest_of_each_shop_are_claimed_once(harness: OrderQueueHarness) -> None:
    harness.accept_orders("a", "b", "c")
    harness.accept_orders("a", "b", shop="other")
    assert sorted(harness.claim(2)) == ["main/a", "main/b", "other/a", "other/b"]
    assert harness.claim(2) == ["main/c"]
    assert harness.claim() == []
    assert harness.views.status().in_flight_orders == 5


@pytest.mark.parametrize(
    "scope", [{}, {"shop": "main"}, {"domains": ["orders"]}, {"shop": "main", "domains": ["orders"]}]
)
def test_behind_a_pause_nothing_is_claimed_and_after_it_everything(
    harness: OrderQueueHarness, scope: dict[str, object]
) -> None:
    harness.accept_orders("a")
    harness.accept_orders("b", shop="other")
    harness.change("pause", **scope)
    assert "main/a" not in harness.claim()
    harness.change("resume", **scope)
    assert "main/a" in harness.claim()


def test_each_order_leaves_with_its_own_content_whatever_line_breaks_are_in_it(harness: OrderQueueHarness) -> None:
    notes = {"a": "first\nsecond\r\nthird", "b": "\u2028\x85\x0b\\n", "c": 'a "quoted" \U0001f4e6, {tab}\t'}
    harness.orders.commit([decoded_order(placed(order_id, notes=text)) for order_id, text in notes.items()])
    claimed = harness.queue.claim(share_per_shop(3))
    assert {order.order_id: json.loads(order.payload)["notes"] for order in claimed} == notes


def test_a_pause_of_changes_lets_orders_go(harness: OrderQueueHarness) -> None:
    harness.accept_orders("a")
    harness.change("pause", domains=["stock", "prices"])
    assert harness.claim() == ["main/a"]


def test_a_pause_says_how_many_orders_are_in_flight(harness: OrderQueueHarness) -> None:
    harness.accept_orders("a", "b")
    [first, _] = harness.queue.claim(share_per_shop(2))
    assert harness.change("pause").in_flight_orders == 2
    harness.record_response(first, ErpResponse(DeliveryStatus.SENT))
    assert harness.views.status().in_flight_orders == 1


def test_a_failed_order_waits_until_it_is_due_again(harness: OrderQueueHarness) -> None:
    harness.accept_orders("a")
    [order] = harness.queue.claim(share_per_shop(1))
    before = datetime.now(UTC)
    # As long as no busy machine takes to look; the waits that grow by themselves are the rules' own test.
    harness.record_response(order, ErpResponse(DeliveryStatus.FAILED, error="HTTP 500", retry_after=600.0))
    after = datetime.now(UTC)
    assert harness.claim() == []
    [row] = harness.views.rows(OrderFilter())
    assert (row["state"], row["attempts"], row["last_error"]) == ("waiting", 1, "HTTP 500")
    assert row["state_since"] == row["received_at"]
    wait = timedelta(minutes=10)
    assert before + wait - timedelta(seconds=1) < row["next_attempt_at"] < after + wait + timedelta(seconds=1)


def test_a_lease_that_has_ended_gives_the_order_to_another_and_the_first_writes_nothing_any_more(
    harness: OrderQueueHarness,
) -> None:
    harness.accept_orders("a")
    short = OrderQueue(harness.fence, harness.switchboard, lease=timedelta(0))
    [first] = short.claim(share_per_shop(1))
    [second] = harness.queue.claim(share_per_shop(1))
    assert (first.attempts, second.attempts) == (1, 2)
    harness.record_response(first, ErpResponse(DeliveryStatus.REJECTED, error="late"))
    assert harness.state() == "sending"
    harness.record_response(second, ErpResponse(DeliveryStatus.INTERNALIZED, "7"))
    assert harness.state() == "internalized"
    assert harness.claim() == []
    [row] = harness.views.rows(OrderFilter())
    assert row["state_since"] == row["internalized_at"] > row["received_at"]


def test_what_was_sent_is_written_down_together_with_the_next_claim(harness: OrderQueueHarness) -> None:
    harness.accept_orders("a", "b")
    [first] = harness.queue.claim(share_per_shop(1))
    sent = (first, lambda now: after_attempt(ErpResponse(DeliveryStatus.SENT), first.attempts, now, 1.0))
    [second] = harness.queue.claim(share_per_shop(1), [sent])
    assert (harness.state("a"), second.order_id, harness.state("b")) == ("sent", "b", "sending")


def test_also_behind_a_pause_it_is_written_down_and_nothing_is_claimed(harness: OrderQueueHarness) -> None:
    harness.accept_orders("a", "b")
    [first] = harness.queue.claim(share_per_shop(1))
    harness.change("pause")
    sent = (first, lambda now: after_attempt(ErpResponse(DeliveryStatus.INTERNALIZED, "7"), first.attempts, now, 1.0))
    assert harness.queue.claim(share_per_shop(1), [sent]) == []
    assert (harness.state("a"), harness.state("b")) == ("internalized", "waiting")


def test_what_a_dead_worker_was_sending_waits_again_also_while_off(harness: OrderQueueHarness) -> None:
    harness.accept_orders("a")
    OrderQueue(harness.fence, harness.switchboard, lease=timedelta(0)).claim(share_per_shop(1))
    harness.change("pause")
    assert harness.claim() == []
    assert (harness.state(), harness.views.status().in_flight_orders) == ("waiting", 0)


def test_each_shop_gives_as_many_as_it_is_asked_for(harness: OrderQueueHarness) -> None:
    harness.accept_orders("a", "b", "c")
    harness.accept_orders("a", "b", "c", shop="other")
    harness.accept_orders("a", shop="asked for none")
    claimed = harness.queue.claim(lambda _due: [("other", 1), ("main", 2)])
    assert [f"{order.shop}/{order.order_id}" for order in claimed] == ["other/a", "main/a", "main/b"]


def test_what_a_receipt_has_settled_is_not_written_over_by_the_confirm(harness: OrderQueueHarness) -> None:
    harness.accept_orders("a")
    [order] = harness.queue.claim(share_per_shop(1))
    harness.orders.commit([decoded_receipt(internalized("a"))])
    harness.record_response(order, ErpResponse(DeliveryStatus.SENT))
    assert harness.state() == "internalized"


def test_workers_that_race_never_claim_the_same_order(harness: OrderQueueHarness) -> None:
    harness.accept_orders(*(f"o{number:03}" for number in range(60)))
    found: list[str] = []

    def claim() -> None:
        while claimed := harness.claim(3):
            found.extend(claimed)

    threads = [threading.Thread(target=claim) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == len(set(found)) == 60


def test_an_order_without_a_receipt_for_too_long_is_overdue(any_database_url: str) -> None:
    harness = OrderQueueHarness(any_database_url)
    harness.accept_orders("a", "b")
    harness.record_response(harness.queue.claim(share_per_shop(1))[0], ErpResponse(DeliveryStatus.SENT))
    assert harness.views.status().overdue_orders == {}
    impatient = Views(harness.engine, timedelta(seconds=-1))
    assert impatient.status().overdue_orders == {"main": 1}
    # It is not sent again by itself.
    assert harness.claim() == ["main/b"]
    harness.engine.dispose()
