"""Orders reach the ERP, over HTTP and AMQP, and nothing leaves while they are off."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from producers.erp import AmqpErpGateway, ErpGateway, HttpErpGateway
from schemas.topology import ORDERS_OUT
from tests.support.dispatch_harness import DispatchHarness
from tests.support.order_events import decoded_receipt, internalized
from tests.support.pipeline import Pipeline
from tests.support.services.broker import open_channel
from tests.support.services.http_erp import HttpErp, running_http_erp
from tests.support.wait import wait_until

_TIMEOUT = 1.0


@pytest.fixture
def erp() -> Iterator[HttpErp]:
    """An ERP that answers at an address."""
    with running_http_erp() as erp:
        yield erp


@pytest.fixture
def open_harness() -> Iterator[Callable[[Pipeline, ErpGateway], DispatchHarness]]:
    """Opens harnesses that are closed in the end."""
    harnesses: list[DispatchHarness] = []

    def opened(pipeline: Pipeline, way: ErpGateway) -> DispatchHarness:
        harnesses.append(DispatchHarness(pipeline, way))
        return harnesses[-1]

    yield opened
    for harness in harnesses:
        harness.close()


@pytest.fixture
def harness(
    database_url: str, erp: HttpErp, open_harness: Callable[[Pipeline, ErpGateway], DispatchHarness]
) -> Iterator[DispatchHarness]:
    """A dispatcher with an ERP over HTTP, on PostgreSQL."""
    yield from _harness(database_url, erp, open_harness)


@pytest.fixture
def any_harness(
    any_database_url: str, erp: HttpErp, open_harness: Callable[[Pipeline, ErpGateway], DispatchHarness]
) -> Iterator[DispatchHarness]:
    """A dispatcher with an ERP over HTTP, on each database."""
    yield from _harness(any_database_url, erp, open_harness)


def _harness(
    url: str, erp: HttpErp, open_harness: Callable[[Pipeline, ErpGateway], DispatchHarness]
) -> Iterator[DispatchHarness]:
    pipeline = Pipeline("memory://", url)
    yield open_harness(pipeline, HttpErpGateway(erp.url, 32, _TIMEOUT))
    pipeline.close()


@pytest.mark.parametrize(
    "ways",
    [
        ["take"],
        ["500", "garbage"],
        ["reset", "empty"],
        ["redirect"],
        ["429"],
        ["take and reset"],
        ["hang"],
    ],
    ids=" then ".join,
)
def test_whatever_the_erp_does_an_order_ends_with_its_one_number(
    harness: DispatchHarness, erp: HttpErp, ways: list[str]
) -> None:
    erp.script = list(ways)
    harness.place("O1")
    order = harness.wait_state("internalized")
    assert (order["erp_number"], order["last_error"]) == ("1000", None)
    assert order["internalized_at"] is not None
    assert erp.numbers == {"main/O1": "1000"}
    assert erp.requests.keys() == {"main/O1"}
    assert erp.requests["main/O1"] == order["attempts"] == (1 if ways == ["take"] else len(ways) + 1)
    assert erp.payloads["main/O1"]["order_id"] == "O1"


def test_what_the_erp_will_answer_later_is_sent_and_settled_by_its_receipt(
    any_harness: DispatchHarness, erp: HttpErp
) -> None:
    erp.default = "accept"
    any_harness.place("O1")
    assert any_harness.wait_state("sent")["erp_number"] is None
    any_harness.orders.commit([decoded_receipt(internalized("O1"))])
    assert any_harness.wait_state("internalized")["erp_number"] == "77"
    assert erp.requests == {"main/O1": 1}


def test_a_no_of_the_erp_waits_for_a_person(harness: DispatchHarness, erp: HttpErp) -> None:
    erp.script = ["400"]
    harness.place("O1")
    order = harness.wait_state("rejected")
    assert order["last_error"] == 'HTTP 400: {"detail": "no such customer"}'
    assert harness.pipeline.retry("main", "O1")
    assert harness.wait_state("internalized")["attempts"] == 2
    assert not harness.pipeline.retry("main", "O1")
    assert not harness.pipeline.retry("main", "unknown")


def test_while_off_nothing_leaves_and_after_it_each_order_once(any_harness: DispatchHarness, erp: HttpErp) -> None:
    erp.script = ["500"]
    any_harness.place("retried")
    wait_until(lambda: erp.requests["main/retried"] == 1, what="the first attempt")
    assert any_harness.pipeline.change("pause").result == "off"
    settled = wait_until(
        lambda: any_harness.pipeline.database.views.status().in_flight_orders == 0, what="what was in flight to settle"
    )
    assert settled
    asked = erp.requests.copy()
    any_harness.place(*(f"O{number}" for number in range(40)))
    retried = any_harness.pipeline.database.views.order("main", "retried")
    assert retried is not None
    # Its wait is over before the pause is: it is not sent all the same.
    wait_until(
        lambda: any_harness.pipeline.database.views.status().orders["main"] == {"waiting": 41}, what="all to wait"
    )
    wait_until(_is_past(retried["next_attempt_at"]), what="the retry to be due")
    assert erp.requests == asked
    any_harness.pipeline.change("resume")
    any_harness.dispatcher.wake.set()
    wait_until(
        lambda: any_harness.pipeline.database.views.status().orders["main"] == {"internalized": 41},
        what="all to go",
    )
    assert erp.requests.total() == 42
    assert len(set(erp.numbers.values())) == 41


def _is_past(moment: datetime) -> Callable[[], bool]:
    return lambda: datetime.now(UTC) > moment + timedelta(milliseconds=300)


def test_one_shop_whose_erp_hangs_holds_up_no_other(harness: DispatchHarness, erp: HttpErp) -> None:
    harness.pipeline.change("pause", shop="other", new_shop=True)
    erp.default = "hang"
    harness.place(*(f"O{number}" for number in range(60)))
    wait_until(lambda: erp.requests.total() >= 16, what="the ERP to be busy")
    erp.default = "take"
    harness.place("O1", shop="quick")
    harness.wait_state("internalized", shop="quick")
    assert erp.requests["quick/O1"] == 1
    erp.released.set()


def test_over_amqp_an_order_lies_in_the_erps_queue_once_confirmed(
    pipeline: Pipeline, open_harness: Callable[[Pipeline, ErpGateway], DispatchHarness]
) -> None:
    harness = open_harness(pipeline, AmqpErpGateway(pipeline.url))
    harness.place("O1")
    order = harness.wait_state("sent")
    assert (order["attempts"], order["erp_number"]) == (1, None)
    with pipeline.channel() as channel:
        message = wait_until(lambda: channel.basic_get("erp.orders", no_ack=True), what="the order")
    assert (message.properties["message_id"], message.delivery_info["routing_key"]) == ("O1", "main")
    event = json.loads(message.body)
    assert (event["type"], event["subject"], event["data"]["total"]) == ("comporta.order.v1", "O1", "19.98")
    harness.orders.commit([decoded_receipt(internalized("O1"))])
    assert harness.wait_state("internalized")["erp_number"] == "77"


def test_an_order_that_the_broker_returns_waits_and_is_sent_again(
    rabbitmq_pipeline: Pipeline, open_harness: Callable[[Pipeline, ErpGateway], DispatchHarness]
) -> None:
    with open_channel(rabbitmq_pipeline.url) as channel:
        channel.queue_unbind("erp.orders", ORDERS_OUT, "#")
        harness = open_harness(rabbitmq_pipeline, AmqpErpGateway(rabbitmq_pipeline.url))
        harness.place("O1")
        order = harness.wait_state("waiting")
        order = wait_until(
            lambda: (found := rabbitmq_pipeline.database.views.order("main", "O1")) and found["last_error"] and found,
            what="the return",
        )
        assert "returned: 312 NO_ROUTE" in order["last_error"]
        channel.queue_bind("erp.orders", ORDERS_OUT, "#")
    assert harness.wait_state("sent")["attempts"] >= 2


@pytest.mark.parametrize("order_id", ["Pedido nº 7", "a/b c?d#e%20", "x" * 255, "🫘" * 100])
def test_an_odd_id_goes_both_ways(
    pipeline: Pipeline, erp: HttpErp, open_harness: Callable[[Pipeline, ErpGateway], DispatchHarness], order_id: str
) -> None:
    harness = open_harness(pipeline, HttpErpGateway(erp.url, 4, _TIMEOUT))
    harness.place(order_id)
    assert harness.wait_state("internalized", order_id)["erp_number"] == "1000"
    by_amqp = AmqpErpGateway(pipeline.url)
    [answer] = by_amqp.send([("main", order_id, json.dumps({"order_id": order_id}))])
    assert answer.result().status == "sent"
    by_amqp.close()
