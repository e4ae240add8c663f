"""Order notices are written with their change and handed to one relay at a time: on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from rules.orders import DeliveryStatus, ErpResponse
from rules.outcomes import RejectedDelivery
from schemas.reasons import Reason, Refusal
from storage.outbox import OrderNotice, Outbox, OutboxRow, add_notices
from storage.tables import outbox
from tests.support.order_events import decoded_order, decoded_receipt, internalized, placed, rejected
from tests.support.order_queue_harness import OrderQueueHarness, share_per_shop

_REFUSAL = Refusal(Reason.MISSING_FIELD, "/data/total", "is required")


@pytest.fixture
def harness(any_database_url: str) -> Iterator[OrderQueueHarness]:
    harness = OrderQueueHarness(any_database_url)
    yield harness
    harness.engine.dispose()


def notices(harness: OrderQueueHarness) -> list[tuple[str, str | None, str, Any]]:
    """Return the notices that wait, in the order of their positions."""
    with harness.engine.connect() as connection:
        rows = connection.execute(select(outbox).order_by(outbox.c.position)).all()
    data = [json.loads(row.data) for row in rows]
    assert [each.pop("order_id") for each in data] == [row.order_id for row in rows]
    return [(row.shop, row.order_id, row.kind, each) for row, each in zip(rows, data, strict=True)]


def relay(harness: OrderQueueHarness, name: str = "r1", lease: timedelta = timedelta(hours=1)) -> Outbox:
    return Outbox(harness.fence, name, lease)


def ids(rows: list[OutboxRow]) -> list[str]:
    return [f"{row.shop}/{row.order_id}" for row in rows]


def refused(body: bytes, shop: str = "main", *, redelivered: bool = False, domain: str = "orders") -> RejectedDelivery:
    return RejectedDelivery(
        shop, domain, _REFUSAL, body, shop, "application/cloudevents+json", {}, redelivered=redelivered
    )


def test_a_new_order_is_announced_once(harness: OrderQueueHarness) -> None:
    harness.orders.commit([decoded_order(placed("b")), decoded_order(placed("a")), decoded_order(placed("b"))])
    harness.orders.commit([decoded_order(placed("a"))])
    assert notices(harness) == [("main", "b", "accepted", {}), ("main", "a", "accepted", {})]


def test_receipts_are_announced_in_the_order_they_settle(harness: OrderQueueHarness) -> None:
    harness.orders.commit(
        [decoded_order(placed("a")), decoded_receipt(rejected("a", "no credit")), decoded_receipt(internalized("a"))]
    )
    assert [(kind, data) for _, _, kind, data in notices(harness)] == [
        ("accepted", {}),
        ("rejected", {"reason": "no credit"}),
        ("internalized", {"erp_number": "77"}),
    ]


@pytest.mark.parametrize(
    ("answer", "announced"),
    [
        (ErpResponse(DeliveryStatus.INTERNALIZED, erp_number="8"), [("internalized", {"erp_number": "8"})]),
        (ErpResponse(DeliveryStatus.REJECTED, error="HTTP 422"), [("rejected", {"reason": "HTTP 422"})]),
        (ErpResponse(DeliveryStatus.SENT), []),
        (ErpResponse(DeliveryStatus.FAILED, error="HTTP 500"), []),
    ],
)
def test_an_answer_of_the_erp_is_announced(
    harness: OrderQueueHarness, answer: ErpResponse, announced: list[tuple[str, dict[str, str]]]
) -> None:
    harness.accept_orders("a")
    [order] = harness.queue.claim(share_per_shop(1))
    harness.record_response(order, answer)
    # A result that comes too late changes nothing, and announces nothing.
    harness.record_response(order, answer)
    assert [(kind, data) for _, _, kind, data in notices(harness)] == [("accepted", {}), *announced]


def test_a_refused_order_is_announced_with_its_reasons(harness: OrderQueueHarness) -> None:
    body = b'{"id":"e1","subject":"S","data":{"order_id":"O9","total":'
    harness.orders.commit([refused(body)])
    # The broker delivers it again after a crash.
    harness.orders.commit([refused(body, redelivered=True)])
    reason = {"code": "missing_field", "pointer": "/data/total", "sentence": "is required"}
    assert notices(harness) == [("main", "O9", "refused", {"event_id": "e1", "reasons": [reason]})]


def test_refused_messages_of_no_shop_and_refused_receipts_are_not_announced(harness: OrderQueueHarness) -> None:
    harness.orders.commit([refused(placed(), "?"), refused(rejected(), domain="receipts")])
    assert notices(harness) == []


def test_an_order_id_that_no_message_names_is_null(harness: OrderQueueHarness) -> None:
    harness.orders.commit([refused(b"\xff\x00")])
    [(_, order_id, kind, data)] = notices(harness)
    assert (order_id, kind, data["event_id"]) == (None, "refused", None)


def test_notices_are_taken_in_order_and_gone_once_published(harness: OrderQueueHarness) -> None:
    harness.accept_orders("b", "a", "c")
    reader = relay(harness)
    assert not reader.is_empty()
    rows = reader.exchange([])
    assert ids(rows) == ["main/b", "main/a", "main/c"]
    assert ids(reader.exchange([rows[0].position])) == ["main/a", "main/c"]
    assert reader.exchange([row.position for row in rows]) == []
    assert reader.is_empty()


def test_one_relay_at_a_time_has_a_shop(harness: OrderQueueHarness) -> None:
    harness.accept_orders("a")
    first, second = relay(harness), relay(harness, "r2")
    assert ids(first.exchange([])) == ["main/a"]
    harness.accept_orders("b")
    harness.accept_orders("c", shop="other")
    assert ids(second.exchange([])) == ["other/c"]
    assert ids(first.exchange([])) == ["main/a", "main/b"]
    first.close([])
    assert ids(second.exchange([])) == ["main/a", "main/b", "other/c"]


def test_the_shops_of_a_relay_that_died_go_to_another_with_the_same_ids(harness: OrderQueueHarness) -> None:
    harness.accept_orders("a")
    taken = relay(harness, lease=timedelta(0)).exchange([])
    assert relay(harness, "r2").exchange([]) == taken


def test_a_position_is_never_given_twice(harness: OrderQueueHarness) -> None:
    harness.accept_orders("a")
    reader = relay(harness)
    [before] = reader.exchange([])
    reader.exchange([before.position])
    harness.accept_orders("b")
    assert reader.exchange([])[0].position > before.position


def test_every_shop_has_its_turn(harness: OrderQueueHarness) -> None:
    shops = {f"s{number:03}" for number in range(205)}
    with harness.fence.shared() as connection:
        accepted = [OrderNotice(shop, "a", "accepted", {}) for shop in sorted(shops)]
        add_notices(connection, accepted, datetime.now(UTC))
    reader = relay(harness)
    # Nothing is ever published, and still each of them comes.
    seen = {row.shop for _ in range(3) for row in reader.exchange([])}
    assert seen == shops
    assert {row.shop for row in reader.exchange([], frozenset(shops - {"s007"}))} == {"s007"}


def test_a_shop_with_many_notices_goes_on_beside_many_shops_with_one(harness: OrderQueueHarness) -> None:
    notices = [OrderNotice(f"s{number:03}", "a", "accepted", {}) for number in range(100)]
    notices += [OrderNotice("s050", f"o{number}", "accepted", {}) for number in range(50)]
    with harness.fence.shared() as connection:
        add_notices(connection, notices, datetime.now(UTC))
    rows = relay(harness).exchange([])
    assert len({row.shop for row in rows}) == 100
    assert [row.order_id for row in rows if row.shop == "s050"] == ["a", *(f"o{number}" for number in range(19))]


def test_what_is_rolled_back_is_not_announced(harness: OrderQueueHarness) -> None:
    def fail_after_writing() -> None:
        with harness.fence.shared() as connection:
            add_notices(connection, [OrderNotice("main", "a", "stuck", {"reason": "HTTP 500"})], datetime.now(UTC))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_after_writing()
    assert notices(harness) == []
