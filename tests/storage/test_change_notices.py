"""Each change of an order writes the notice that its shop waits for, and no other: on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from rules.actions import AuditContext
from rules.cancellations import after_cancel_attempt
from rules.orders import DeliveryStatus, ErpResponse, after_attempt
from rules.outcomes import Decoded, RejectedDelivery
from schemas.orders import parse_shop_message
from schemas.reasons import Reason, Refusal
from storage.audit import AuditEntry
from storage.cancellation_queue import CancellationQueue
from storage.order_acceptance import OrderAcceptance
from storage.order_changes import Change, OrderChanges
from storage.tables import orders, outbox, quarantine
from tests.support.order_events import (
    cancel_refused,
    cancelled,
    decoded_receipt,
    erp_cancelled,
    internalized,
    invoiced,
    placed,
    shipped,
)
from tests.support.order_queue_harness import OrderQueueHarness, share_per_shop

Notice = tuple[str, dict[str, Any]]
FAILED = ErpResponse(DeliveryStatus.FAILED, error="HTTP 500")
CUSTOMER = ("cancelled", {"reason": "customer"})


class NoticesHarness(OrderQueueHarness):
    """Order queue of which the notices are read; an order "a" is accepted."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._seen = 0
        self.accept_orders("a")
        assert self.news() == [("accepted", {})]

    def news(self) -> list[Notice]:
        """The notices since the last call, without the order's id."""
        query = select(outbox).where(outbox.c.position > self._seen).order_by(outbox.c.position)
        with self.engine.connect() as connection:
            rows = connection.execute(query).all()
        self._seen = rows[-1].position if rows else self._seen
        data = [json.loads(row.data) for row in rows]
        assert [each.pop("order_id") for each in data] == [row.order_id for row in rows]
        return [(row.kind, each) for row, each in zip(rows, data, strict=True)]

    def shop_says(self, *bodies: bytes) -> None:
        def refused(refusal: Refusal) -> RejectedDelivery:
            raise AssertionError(refusal)

        self.orders.commit([Decoded("orders", parse_shop_message("main", body), refused) for body in bodies])

    def erp_says(self, *bodies: bytes) -> None:
        self.orders.commit([decoded_receipt(body) for body in bodies])

    def change(self, change: Change) -> None:
        entry = AuditEntry(change, AuditContext("ana", "http", "a reason"))
        assert OrderChanges(self.fence, timedelta(minutes=15)).change(change, entry, "main", "a")

    def attempt(self, answer: ErpResponse, meanwhile: Callable[[], None] = lambda: None) -> None:
        """One attempt, and what happens while it runs."""
        [order] = self.queue.claim(share_per_shop(1))
        meanwhile()
        self.queue.record(
            [(order, lambda now: after_attempt(answer, order.attempts, now, 0.0, order.history, now, limit=2))]
        )

    def tell_erp(self, answer: ErpResponse) -> None:
        queue = CancellationQueue(self.fence, self.switchboard)
        [claimed] = queue.claim()
        queue.record([(claimed, lambda now: after_cancel_attempt(answer, claimed.attempts, now, 0.0))])

    def make_due(self) -> None:
        with self.engine.begin() as connection:
            connection.execute(update(orders).values(next_attempt_at=None))

    def end_leases(self) -> None:
        with self.engine.begin() as connection:
            connection.execute(update(orders).values(lease_until=orders.c.received_at))


@pytest.fixture
def harness(any_database_url: str) -> Iterator[NoticesHarness]:
    harness = NoticesHarness(any_database_url)
    yield harness
    harness.engine.dispose()


def test_an_order_that_never_left_is_cancelled_at_once_and_once(harness: NoticesHarness) -> None:
    harness.shop_says(cancelled("a"), cancelled("a"))
    harness.shop_says(cancelled("a"))
    assert harness.news() == [CUSTOMER]


def test_a_cancellation_that_comes_first_counts_before_and_after_its_order(harness: NoticesHarness) -> None:
    harness.shop_says(cancelled("later"))
    assert harness.news() == [CUSTOMER]
    harness.shop_says(placed("later"), placed("later"))
    assert harness.news() == [("accepted", {}), CUSTOMER]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (erp_cancelled("a"), [CUSTOMER]),
        (cancel_refused("a", "shipped already"), [("cancel_refused", {"reason": "shipped already"})]),
    ],
)
def test_of_an_order_that_was_sent_the_erps_answer_counts(
    harness: NoticesHarness, answer: bytes, told: list[Notice]
) -> None:
    harness.attempt(ErpResponse(DeliveryStatus.SENT), lambda: harness.shop_says(cancelled("a")))
    harness.tell_erp(ErpResponse(DeliveryStatus.SENT))
    assert harness.news() == []
    harness.erp_says(answer)
    harness.erp_says(answer)
    assert harness.news() == told


def test_an_erp_over_http_refuses_a_cancellation_by_its_status(harness: NoticesHarness) -> None:
    harness.attempt(ErpResponse(DeliveryStatus.SENT))
    harness.shop_says(cancelled("a"))
    harness.tell_erp(ErpResponse(DeliveryStatus.REJECTED, error="HTTP 409"))
    assert harness.news() == [("cancel_refused", {"reason": "HTTP 409"})]


def test_an_order_that_was_cancelled_while_an_attempt_failed_is_told_so_after_it(harness: NoticesHarness) -> None:
    harness.attempt(FAILED, lambda: harness.shop_says(cancelled("a")))
    assert harness.news() == [CUSTOMER]


def test_so_is_one_whose_worker_died_in_the_attempt(harness: NoticesHarness) -> None:
    harness.queue.claim(share_per_shop(1))
    harness.shop_says(cancelled("a"))
    harness.end_leases()
    assert harness.news() == []
    assert harness.claim() == []
    assert harness.news() == [CUSTOMER]


def test_what_the_erp_took_after_all_is_told_and_what_it_undid_then(harness: NoticesHarness) -> None:
    harness.attempt(FAILED)
    harness.shop_says(cancelled("a"))
    harness.erp_says(internalized("a", "77"))
    harness.erp_says(erp_cancelled("a"))
    assert harness.news() == [CUSTOMER, ("internalized", {"erp_number": "77"}), CUSTOMER]


def test_a_late_number_of_an_order_that_the_erp_has_cancelled_is_no_news(harness: NoticesHarness) -> None:
    harness.attempt(
        ErpResponse(DeliveryStatus.INTERNALIZED, erp_number="77"),
        lambda: harness.erp_says(erp_cancelled("a")),
    )
    assert [kind for kind, _ in harness.news()] == ["cancelled"]


def test_an_order_is_stuck_with_its_last_error(harness: NoticesHarness) -> None:
    harness.attempt(FAILED)
    assert harness.news() == []
    harness.make_due()
    harness.attempt(FAILED)
    assert harness.news() == [("stuck", {"attempts": 2, "reason": "HTTP 500"})]


def test_to_hold_and_to_release_is_no_news_and_an_operators_cancellation_is(harness: NoticesHarness) -> None:
    harness.change("hold")
    harness.change("release")
    assert harness.news() == []
    harness.change("cancel")
    assert harness.news() == [("cancelled", {"reason": "a reason"})]


def test_invoice_and_shipment_are_told_once_each_also_before_the_number(harness: NoticesHarness) -> None:
    invoice, shipment = invoiced("a", "1001", url="https://nfe.example/1001"), shipped("a", "BR1", carrier="X")
    harness.erp_says(shipment, invoice, shipment)
    harness.erp_says(invoice, internalized("a", "77"))
    assert harness.news() == [
        ("shipped", {"tracking": "BR1", "carrier": "X"}),
        ("invoiced", {"number": "1001", "url": "https://nfe.example/1001"}),
        ("internalized", {"erp_number": "77"}),
    ]


def test_an_order_that_is_accepted_as_it_is_is_told_so(harness: NoticesHarness) -> None:
    refusal = Refusal(Reason.ORDER_SUM, "/data/total", "must equal the sum")
    body = placed("odd", total="1.00")
    content_type = "application/cloudevents+json"
    harness.orders.commit([RejectedDelivery("main", "orders", refusal, body, "main", content_type, {}, False)])
    assert [kind for kind, _ in harness.news()] == ["refused"]
    with harness.engine.connect() as connection:
        identity = connection.execute(select(quarantine.c.id)).scalar_one()
    entry = AuditEntry("accept", AuditContext("ana", "http", "paid"))
    assert OrderAcceptance(harness.fence).accept(entry, identity)
    assert harness.news() == [("accepted", {})]
