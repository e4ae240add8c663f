"""Orders in queues of their shops: nothing reaches another's, whatever the ERP of one does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from urllib.parse import unquote, urlsplit

import pika
import pytest

from producers.cancellations import AmqpCancelGateway, Canceller
from producers.erp import AmqpErpGateway
from rules.order_routes import OrderRoutes
from rules.outcomes import Decoded
from schemas.orders import parse_shop_message
from storage.cancellation_queue import CancellationQueue
from tests.support.dispatch_harness import DispatchHarness
from tests.support.order_events import cancelled
from tests.support.pipeline import Pipeline
from tests.support.services.broker import Broker, open_channel
from tests.support.wait import wait_until

NORTH, SOUTH = "erp.orders.north", "erp.orders.south"
PASSWORD = "a-test"


@pytest.fixture
def dispatching() -> Iterator[Callable[[Pipeline, OrderRoutes], DispatchHarness]]:
    harnesses: list[DispatchHarness] = []

    def opened(pipeline: Pipeline, routes: OrderRoutes) -> DispatchHarness:
        harnesses.append(DispatchHarness(pipeline, AmqpErpGateway(pipeline.url, routes=routes)))
        return harnesses[-1]

    yield opened
    for harness in harnesses:
        harness.close()


def test_the_orders_of_a_shop_reach_its_queue_alone(
    pipeline: Pipeline, dispatching: Callable[[Pipeline, OrderRoutes], DispatchHarness]
) -> None:
    harness = dispatching(pipeline, OrderRoutes(frozenset({"north"})))
    for shop in ("north", "south"):
        harness.place(f"{shop}-1", shop=shop)
        harness.wait_state("sent", f"{shop}-1", shop)
    with pipeline.channel() as channel:
        found = {queue: channel.basic_get(queue, no_ack=True) for queue in (NORTH, "erp.orders")}
        assert {queue: message.properties["message_id"] for queue, message in found.items()} == {
            NORTH: "north-1",
            "erp.orders": "south-1",
        }
        assert all(channel.basic_get(queue, no_ack=True) is None for queue in found)


def test_a_queue_that_was_deleted_is_declared_again(
    rabbitmq_pipeline: Pipeline, dispatching: Callable[[Pipeline, OrderRoutes], DispatchHarness]
) -> None:
    harness = dispatching(rabbitmq_pipeline, OrderRoutes(None))
    harness.place("O1", shop="north")
    harness.wait_state("sent", "O1", "north")
    with open_channel(rabbitmq_pipeline.url) as channel:
        channel.queue_delete(NORTH)
        harness.place("O2", shop="north")
        harness.wait_state("sent", "O2", "north")
        assert channel.basic_get(NORTH, auto_ack=True)[1].message_id == "O2"
        channel.queue_delete(NORTH)


def test_an_erp_reads_and_purges_its_own_queue_alone(
    rabbitmq: Broker,
    rabbitmq_pipeline: Pipeline,
    dispatching: Callable[[Pipeline, OrderRoutes], DispatchHarness],
) -> None:
    url = rabbitmq_pipeline.url
    harness = dispatching(rabbitmq_pipeline, OrderRoutes(None))
    for shop in ("north", "south"):
        harness.place(f"{shop}-1", shop=shop)
        harness.wait_state("sent", f"{shop}-1", shop)
    harness.orders.commit(
        [
            Decoded(
                "orders", parse_shop_message("south", cancelled("south-1")), lambda refusal: pytest.fail(str(refusal))
            )
        ]
    )
    canceller = Canceller(
        CancellationQueue(rabbitmq_pipeline.database.fence, rabbitmq_pipeline.switchboard),
        AmqpCancelGateway(url, routes=OrderRoutes(None)),
        rabbitmq_pipeline.stop,
        threading.Event(),
    )
    thread = threading.Thread(target=canceller.run, daemon=True)
    thread.start()
    vhost = unquote(urlsplit(url).path.removeprefix("/"))
    for user, queue in (("erp-north", NORTH), ("erp-south", SOUTH)):
        rabbitmq.ctl("add_user", user, PASSWORD)
        rabbitmq.ctl("set_permissions", "-p", vhost, user, "^$", r"^erp\.events$", f"^{queue}$".replace(".", r"\."))
    try:
        with open_channel(url.replace("guest:guest", f"erp-south:{PASSWORD}")) as channel:
            wait_until(lambda: _count(url, SOUTH) == 2, what="the order and its cancellation")
            ids = [channel.basic_get(SOUTH, auto_ack=True)[1].message_id for _ in range(2)]
        assert ids[0] == "south-1"
        for intrusion in (
            lambda channel: channel.basic_get(NORTH, auto_ack=True),
            lambda channel: channel.queue_purge(NORTH),
            lambda channel: channel.queue_delete(NORTH),
            lambda channel: channel.queue_purge("erp.orders"),
            lambda channel: channel.basic_publish("", NORTH, b"{}"),
        ):
            with (
                open_channel(url.replace("guest:guest", f"erp-south:{PASSWORD}")) as channel,
                pytest.raises(pika.exceptions.ChannelClosedByBroker, match="ACCESS_REFUSED"),
            ):
                intrusion(channel)
        with open_channel(url.replace("guest:guest", f"erp-north:{PASSWORD}")) as channel:
            assert channel.basic_get(NORTH, auto_ack=True)[1].message_id == "north-1"
    finally:
        for user in ("erp-north", "erp-south"):
            rabbitmq.ctl("delete_user", user)
        rabbitmq_pipeline.stop.set()
        thread.join(15)
        with open_channel(url) as channel:
            for queue in (NORTH, SOUTH):
                channel.queue_delete(queue)


def _count(url: str, queue: str) -> int:
    with open_channel(url) as channel:
        return int(channel.queue_declare(queue, passive=True).method.message_count)
