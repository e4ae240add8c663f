"""Cancellations and later news of orders, from the exchanges to the tables and to the ERP."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from producers.cancellations import AmqpCancelGateway, CancelGateway, Canceller, HttpCancelGateway, NoCancelGateway
from rules.orders import DeliveryStatus, ErpResponse, after_attempt
from schemas.topology import ORDERS_IN
from storage.cancellation_queue import CancellationQueue
from storage.order_queue import OrderQueue
from tests.support.order_events import (
    cancel_refused,
    cancelled,
    erp_cancelled,
    internalized,
    invoiced,
    placed,
    rejected,
    shipped,
)
from tests.support.order_pipeline import send_orders, take_orders
from tests.support.pipeline import Pipeline
from tests.support.services.http_erp import running_http_erp
from tests.support.wait import wait_until


def shop_says(pipeline: Pipeline, *bodies: bytes, shop: str = "main") -> None:
    pipeline.publish(*bodies, exchange=ORDERS_IN, key=shop)
    take_orders(pipeline, len(bodies))


def erp_says(pipeline: Pipeline, *bodies: bytes, shop: str = "main") -> None:
    pipeline.publish(*bodies, key=f"{shop}.receipts")
    take_orders(pipeline, len(bodies))


def tell(pipeline: Pipeline, gateway: CancelGateway | None = None) -> int:
    """Tell the ERP what is due."""
    queue = CancellationQueue(pipeline.database.fence, pipeline.switchboard)
    canceller = Canceller(queue, gateway or AmqpCancelGateway(pipeline.url), pipeline.stop)
    try:
        return canceller.step()
    finally:
        canceller.erp.close()


def received_by_erp(pipeline: Pipeline) -> list[tuple[str, str]]:
    """The types and message ids on `erp.orders`, which is empty afterwards."""
    found = []
    with pipeline.channel() as channel:
        while (message := channel.basic_get("erp.orders", no_ack=True)) is not None:
            found.append((orjson.loads(message.body)["type"], message.properties["message_id"]))
    return found


def states(pipeline: Pipeline, order_id: str = "O1") -> tuple[str, str | None]:
    row = pipeline.orders()[f"main/{order_id}"]
    return row["state"], row["cancellation"]


@pytest.mark.parametrize("cancelled_first", [False, True])
def test_an_order_that_is_placed_and_cancelled_while_off_never_leaves(
    pipeline: Pipeline, cancelled_first: bool
) -> None:
    pipeline.change("pause")
    messages = [placed(), cancelled()]
    for message in reversed(messages) if cancelled_first else messages:
        shop_says(pipeline, message)
    pipeline.change("resume")
    send_orders(pipeline)
    assert tell(pipeline) == 0
    assert received_by_erp(pipeline) == []
    order = pipeline.orders()["main/O1"]
    assert (order["state"], order["cancellation"], order["attempts"]) == ("cancelled", None, 0)
    assert (order["cancel_reason"], order["payload"]["total"]) == ("customer", "19.98")
    assert pipeline.outcomes("orders") == {"applied": 2}


def test_an_order_and_its_cancellation_may_come_in_one_batch_and_again(pipeline: Pipeline) -> None:
    shop_says(pipeline, cancelled(), placed(), cancelled(), placed())
    shop_says(pipeline, placed(), cancelled())
    assert states(pipeline) == ("cancelled", None)
    assert pipeline.outcomes("orders") == {"applied": 2, "superseded": 4}
    # Another content under the same id is refused as ever.
    shop_says(pipeline, placed(notes="another"))
    assert [row["reason"] for row in pipeline.quarantined()] == ["order_changed"]


@pytest.mark.parametrize("internalized_before", [False, True])
def test_of_an_order_that_is_at_the_erp_the_erp_is_told_once(pipeline: Pipeline, internalized_before: bool) -> None:
    shop_says(pipeline, placed())
    send_orders(pipeline)
    if internalized_before:
        erp_says(pipeline, internalized())
    shop_says(pipeline, cancelled(), cancelled())
    assert (tell(pipeline), tell(pipeline)) == (1, 0)
    assert received_by_erp(pipeline) == [
        ("comporta.order.v1", "O1"),
        ("comporta.order.cancelled.v1", "main/O1/cancel"),
    ]
    assert states(pipeline) == ("internalized" if internalized_before else "sent", "told")
    erp_says(pipeline, erp_cancelled(), erp_cancelled())
    assert states(pipeline) == ("cancelled", "confirmed")
    assert pipeline.outcomes("receipts")["superseded"] == 1


def test_a_cancellation_that_the_erp_refuses_is_shown_and_the_order_stays(pipeline: Pipeline) -> None:
    shop_says(pipeline, placed())
    send_orders(pipeline)
    erp_says(pipeline, internalized())
    shop_says(pipeline, cancelled())
    tell(pipeline)
    erp_says(pipeline, cancel_refused())
    order = pipeline.orders()["main/O1"]
    assert (order["state"], order["cancellation"], order["cancel_error"]) == (
        "internalized",
        "refused",
        "shipped already",
    )
    assert order["erp_number"] == "77"


def test_while_off_the_erp_hears_of_no_cancellation(pipeline: Pipeline) -> None:
    shop_says(pipeline, placed())
    send_orders(pipeline)
    pipeline.change("pause", shop="main")
    shop_says(pipeline, cancelled())
    assert tell(pipeline) == 0
    assert states(pipeline) == ("sent", "telling")
    pipeline.change("resume", shop="main")
    assert tell(pipeline) == 1


def test_an_order_in_flight_is_not_sent_again_and_the_erp_is_told_after_its_attempt(pipeline: Pipeline) -> None:
    shop_says(pipeline, placed())
    queue = OrderQueue(pipeline.database.fence, pipeline.switchboard)
    [claimed] = queue.claim(lambda due: [(shop, 1) for shop in due.open])
    shop_says(pipeline, cancelled())
    assert tell(pipeline) == 0
    failed = ErpResponse(DeliveryStatus.FAILED, error="timeout")
    queue.record([(claimed, lambda now: after_attempt(failed, 1, now, 0.0))])
    assert states(pipeline) == ("cancelled", "telling")
    send_orders(pipeline)
    assert tell(pipeline) == 1
    assert [kind for kind, _ in received_by_erp(pipeline)] == ["comporta.order.cancelled.v1"]


def test_over_http_the_erp_is_told_with_the_key_of_the_order_until_it_answers(pipeline: Pipeline) -> None:
    shop_says(pipeline, placed())
    send_orders(pipeline)
    shop_says(pipeline, cancelled())
    with running_http_erp() as erp:
        erp.script, erp.default = ["500", "reset"], "accept"
        assert tell(pipeline, HttpCancelGateway(erp.url)) == 1
        assert states(pipeline) == ("sent", "telling")

        def told() -> bool:
            tell(pipeline, HttpCancelGateway(erp.url))
            return states(pipeline) == ("sent", "told")

        wait_until(told, what="the ERP to be told")
        assert erp.requests == {"main/O1/cancel": 3}


def test_over_http_the_erp_may_refuse_at_once(pipeline: Pipeline) -> None:
    shop_says(pipeline, placed())
    send_orders(pipeline)
    shop_says(pipeline, cancelled())
    with running_http_erp() as erp:
        erp.default = "400"
        tell(pipeline, HttpCancelGateway(erp.url))
    assert states(pipeline) == ("sent", "refused")


def test_without_a_way_to_tell_the_erp_operators_see_the_request(pipeline: Pipeline) -> None:
    shop_says(pipeline, placed())
    send_orders(pipeline)
    shop_says(pipeline, cancelled())
    tell(pipeline, NoCancelGateway())
    order = pipeline.database.views.order("main", "O1")
    assert order is not None
    assert (order["state"], order["cancellation"]) == ("sent", "cancel_requested")


def test_a_receipt_for_a_key_that_was_only_cancelled_is_quarantined(pipeline: Pipeline) -> None:
    shop_says(pipeline, cancelled())
    erp_says(pipeline, internalized(), rejected(), invoiced(), erp_cancelled())
    assert [row["reason"] for row in pipeline.quarantined()] == ["order_unknown"] * 4


def test_news_of_an_order_is_kept_once_in_whatever_order_it_comes(pipeline: Pipeline) -> None:
    shop_says(pipeline, placed())
    bill = invoiced(number="1001", key="35" * 22, issued_at="2026-11-24T10:00:00Z", series="1")
    parcel = shipped(carrier="DPD", shipped_at="2026-11-24T09:00:00Z")
    erp_says(pipeline, parcel, bill, bill)
    erp_says(pipeline, bill, internalized())
    order: dict[str, Any] = pipeline.database.views.order("main", "O1") or {}
    assert [(each["event"], each["data"]) for each in order["events"]] == [
        ("shipped", {"order_id": "O1", "tracking": "BR123", "carrier": "DPD", "shipped_at": "2026-11-24T09:00:00Z"}),
        ("invoiced", {
            "order_id": "O1", "number": "1001", "key": "35" * 22, "issued_at": "2026-11-24T10:00:00Z", "series": "1",
        }),
    ]  # fmt: skip
    assert order["state"] == "internalized"
    assert pipeline.outcomes("receipts") == {"applied": 3, "superseded": 2}


def test_news_of_another_shops_order_is_quarantined(pipeline: Pipeline) -> None:
    shop_says(pipeline, placed(), shop="a")
    erp_says(pipeline, invoiced(), shop="b")
    assert [(row["reason"], row["shop"]) for row in pipeline.quarantined()] == [("order_unknown", "b")]
