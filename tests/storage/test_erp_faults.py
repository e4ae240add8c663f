"""The last failure of the way to the ERP: kept until an order gets through, whichever worker sends it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from comporta.cli.doctor.erp import order_findings
from comporta.cli.doctor.findings import State
from comporta.runtime.settings import load_settings
from rules.actions import AuditContext
from rules.orders import DeliveryStatus, ErpResponse, FailureHistory, OrderState
from schemas.control import ErpFault
from storage.audit import AuditEntry
from storage.order_queue import OrderQueue
from storage.order_retry import OrderRetries
from storage.views import OrderFilter
from tests.support.order_queue_harness import OrderQueueHarness, share_per_shop


@pytest.fixture
def desk(any_database_url: str) -> Iterator[OrderQueueHarness]:
    desk = OrderQueueHarness(any_database_url)
    yield desk
    desk.engine.dispose()


def attempt(desk: OrderQueueHarness, response: ErpResponse) -> None:
    [order] = desk.queue.claim(share_per_shop(1))
    desk.record_response(order, response)


def failed(error: str) -> ErpResponse:
    return ErpResponse(DeliveryStatus.FAILED, error=error)


def faults(desk: OrderQueueHarness) -> dict[str, ErpFault]:
    return desk.views.status().erp_faults


def test_the_last_failure_is_kept_with_the_time_of_the_first(desk: OrderQueueHarness) -> None:
    desk.accept_orders("a", "b", "c", "d")
    assert faults(desk) == {}
    attempt(desk, failed("HTTP 401: who are you?"))
    first = faults(desk)["main"]
    attempt(desk, failed("no answer: not within 10 s"))
    fault = faults(desk)["main"]
    assert (fault.answer, fault.error, fault.failures) == ("no answer", "no answer: not within 10 s", 2)
    assert first.since == fault.since < fault.failed_at
    attempt(desk, ErpResponse(DeliveryStatus.SENT))
    assert faults(desk) == {}
    attempt(desk, failed("HTTP 503"))
    assert (faults(desk)["main"].failures, faults(desk)["main"].answer) == (1, "HTTP 503")


@pytest.mark.parametrize("status", [DeliveryStatus.SENT, DeliveryStatus.INTERNALIZED, DeliveryStatus.REJECTED])
def test_a_success_of_another_worker_ends_it(desk: OrderQueueHarness, status: DeliveryStatus) -> None:
    desk.accept_orders("a", "b", "c")
    attempt(desk, failed("HTTP 401"))
    desk.queue = OrderQueue(desk.fence, desk.switchboard)
    attempt(desk, ErpResponse(status, "7", "no"))
    assert faults(desk) == {}


def test_shops_have_faults_of_their_own_and_one_without_orders_to_send_has_none(desk: OrderQueueHarness) -> None:
    desk.accept_orders("a", "b")
    desk.accept_orders("a", shop="other")
    for order in desk.queue.claim(share_per_shop(1)):
        desk.record_response(order, failed(f"HTTP 50{len(order.shop)}"))
    assert {shop: fault.answer for shop, fault in faults(desk).items()} == {"main": "HTTP 504", "other": "HTTP 505"}
    with desk.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE orders SET state = 'rejected' WHERE shop = 'other'")
    assert faults(desk).keys() == {"main"}


def test_orders_with_the_fewest_attempts_are_claimed_first_then_the_oldest(desk: OrderQueueHarness) -> None:
    desk.accept_orders("a", "b", "c", "d")
    with desk.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE orders SET attempts = 2 WHERE order_id = 'a'")
        connection.exec_driver_sql("UPDATE orders SET attempts = 1 WHERE order_id = 'b'")
    assert desk.claim(3) == ["main/c", "main/d", "main/b"]
    assert desk.claim(3) == ["main/a"]


def test_shops_with_untried_orders_are_told_apart(desk: OrderQueueHarness) -> None:
    desk.accept_orders("a")
    desk.accept_orders("a", "b", shop="tried")
    with desk.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE orders SET attempts = 1 WHERE shop = 'tried'")
    found = []
    desk.queue.claim(lambda due: found.append(due) or [])  # type: ignore[func-returns-value]
    assert [(due.open, due.untried) for due in found] == [(("main", "tried"), {"main"})]


def test_failures_are_kept_with_the_order_and_a_retry_by_hand_forgets_them(desk: OrderQueueHarness) -> None:
    desk.accept_orders("a", "b")
    with desk.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE orders SET failures = 4, failing_since = '2026-11-23T07:22:51.000000Z'")
    [order] = desk.queue.claim(share_per_shop(1))
    assert order.history == FailureHistory(4, datetime(2026, 11, 23, 7, 22, 51, tzinfo=UTC))
    with desk.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE orders SET state = 'stuck'")
    assert desk.claim() == []
    retries = OrderRetries(desk.fence, timedelta(minutes=15))
    assert retries.count(OrderFilter(state=OrderState.STUCK.value)) == 2
    assert retries.retry(AuditEntry("retry", AuditContext("ana", "http")), "main", "a")
    row = desk.views.order("main", "a")
    assert row is not None
    assert (row["state"], row["failures"], row["failing_since"]) == ("waiting", 0, None)
    assert retries.retry_batch("none", OrderFilter(state="stuck"), ("", ""))[0] == 1


def test_orders_that_wait_for_an_operator_are_found_and_a_fault_without_orders_is_not(
    desk: OrderQueueHarness, any_database_url: str
) -> None:
    desk.accept_orders("a", "b")
    for order in desk.queue.claim(lambda _due: [("main", 2)]):
        desk.record_response(order, ErpResponse(DeliveryStatus.FAILED, error="HTTP 404: <html>"))
    settings = load_settings(database_url=any_database_url)
    [finding] = order_findings(settings)
    assert (finding.part, finding.state, "HTTP 404: <html>" in finding.says) == ("ERP", State.WRONG, True)
    with desk.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE orders SET state = CASE order_id WHEN 'a' THEN 'stuck' ELSE 'rejected' END")
    assert [(found.part, found.state, found.says[:10]) for found in order_findings(settings)] == [
        ("orders", State.WARNING, "1 rejected"),
        ("orders", State.WARNING, "1 stuck: a"),
    ]
