"""Orders are claimed under the fence, oldest first, by one at a time: on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from rules.orders import DeliveryStatus, ErpResponse, after_attempt
from storage.order_queue import OrderQueue
from storage.views import Views
from tests.support.order_events import decoded_receipt, internalized
from tests.support.order_queue_harness import OrderQueueHarness, share_per_shop


@pytest.fixture
def desk(any_database_url: str) -> Iterator[OrderQueueHarness]:
    desk = OrderQueueHarness(any_database_url)
    yield desk
    desk.engine.dispose()


def test_the_oldest_of_each_shop_are_claimed_once(desk: OrderQueueHarness) -> None:
    desk.accept("a", "b", "c")
    desk.accept("a", "b", shop="other")
    assert sorted(desk.claim(2)) == ["main/a", "main/b", "other/a", "other/b"]
    assert desk.claim(2) == ["main/c"]
    assert desk.claim() == []
    assert desk.views.status().in_flight_orders == 5


@pytest.mark.parametrize(
    "scope", [{}, {"shop": "main"}, {"domains": ["orders"]}, {"shop": "main", "domains": ["orders"]}]
)
def test_behind_a_pause_nothing_is_claimed_and_after_it_everything(
    desk: OrderQueueHarness, scope: dict[str, object]
) -> None:
    desk.accept("a")
    desk.accept("b", shop="other")
    desk.change("pause", **scope)
    assert "main/a" not in desk.claim()
    desk.change("resume", **scope)
    assert "main/a" in desk.claim()


def test_a_pause_of_changes_lets_orders_go(desk: OrderQueueHarness) -> None:
    desk.accept("a")
    desk.change("pause", domains=["stock", "prices"])
    assert desk.claim() == ["main/a"]


def test_a_pause_says_how_many_orders_are_in_flight(desk: OrderQueueHarness) -> None:
    desk.accept("a", "b")
    [first, _] = desk.dispatch.claim(share_per_shop(2))
    assert desk.change("pause").in_flight_orders == 2
    desk.answered(first, ErpResponse(DeliveryStatus.SENT))
    assert desk.views.status().in_flight_orders == 1


def test_a_failed_order_waits_until_it_is_due_again(desk: OrderQueueHarness) -> None:
    desk.accept("a")
    [order] = desk.dispatch.claim(share_per_shop(1))
    desk.answered(order, ErpResponse(DeliveryStatus.FAILED, error="HTTP 500"))
    assert desk.claim() == []
    [row] = desk.views.orders()
    assert (row["state"], row["attempts"], row["last_error"]) == ("waiting", 1, "HTTP 500")
    assert timedelta(0) < row["next_attempt_at"] - datetime.now(UTC) < timedelta(seconds=2)


def test_a_lease_that_has_ended_gives_the_order_to_another_and_the_first_writes_nothing_any_more(
    desk: OrderQueueHarness,
) -> None:
    desk.accept("a")
    short = OrderQueue(desk.fence, desk.switchboard, lease=timedelta(0))
    [first] = short.claim(share_per_shop(1))
    [second] = desk.dispatch.claim(share_per_shop(1))
    assert (first.attempts, second.attempts) == (1, 2)
    desk.answered(first, ErpResponse(DeliveryStatus.REJECTED, error="late"))
    assert desk.state() == "sending"
    desk.answered(second, ErpResponse(DeliveryStatus.INTERNALIZED, "7"))
    assert desk.state() == "internalized"
    assert desk.claim() == []


def test_what_was_sent_is_written_down_together_with_the_next_claim(desk: OrderQueueHarness) -> None:
    desk.accept("a", "b")
    [first] = desk.dispatch.claim(share_per_shop(1))
    sent = (first, lambda now: after_attempt(ErpResponse(DeliveryStatus.SENT), first.attempts, now, 1.0))
    [second] = desk.dispatch.claim(share_per_shop(1), [sent])
    assert (desk.state("a"), second.order_id, desk.state("b")) == ("sent", "b", "sending")


def test_also_behind_a_pause_it_is_written_down_and_nothing_is_claimed(desk: OrderQueueHarness) -> None:
    desk.accept("a", "b")
    [first] = desk.dispatch.claim(share_per_shop(1))
    desk.change("pause")
    sent = (first, lambda now: after_attempt(ErpResponse(DeliveryStatus.INTERNALIZED, "7"), first.attempts, now, 1.0))
    assert desk.dispatch.claim(share_per_shop(1), [sent]) == []
    assert (desk.state("a"), desk.state("b")) == ("internalized", "waiting")


def test_what_a_dead_worker_was_sending_waits_again_also_while_off(desk: OrderQueueHarness) -> None:
    desk.accept("a")
    OrderQueue(desk.fence, desk.switchboard, lease=timedelta(0)).claim(share_per_shop(1))
    desk.change("pause")
    assert desk.claim() == []
    assert (desk.state(), desk.views.status().in_flight_orders) == ("waiting", 0)


def test_each_shop_gives_as_many_as_it_is_asked_for(desk: OrderQueueHarness) -> None:
    desk.accept("a", "b", "c")
    desk.accept("a", "b", "c", shop="other")
    desk.accept("a", shop="asked for none")
    claimed = desk.dispatch.claim(lambda _due: [("other", 1), ("main", 2)])
    assert [f"{order.shop}/{order.order_id}" for order in claimed] == ["other/a", "main/a", "main/b"]


def test_what_a_receipt_has_settled_is_not_written_over_by_the_confirm(desk: OrderQueueHarness) -> None:
    desk.accept("a")
    [order] = desk.dispatch.claim(share_per_shop(1))
    desk.orders.commit([decoded_receipt(internalized("a"))])
    desk.answered(order, ErpResponse(DeliveryStatus.SENT))
    assert desk.state() == "internalized"


def test_workers_that_race_never_claim_the_same_order(desk: OrderQueueHarness) -> None:
    desk.accept(*(f"o{number:03}" for number in range(60)))
    found: list[str] = []

    def claim() -> None:
        while claimed := desk.claim(3):
            found.extend(claimed)

    threads = [threading.Thread(target=claim) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == len(set(found)) == 60


def test_an_order_without_a_receipt_for_too_long_is_overdue(any_database_url: str) -> None:
    desk = OrderQueueHarness(any_database_url)
    desk.accept("a", "b")
    desk.answered(desk.dispatch.claim(share_per_shop(1))[0], ErpResponse(DeliveryStatus.SENT))
    assert desk.views.status().overdue_orders == {}
    impatient = Views(desk.engine, timedelta(seconds=-1))
    assert impatient.status().overdue_orders == {"main": 1}
    # It is not sent again by itself.
    assert desk.claim() == ["main/b"]
    desk.engine.dispose()
