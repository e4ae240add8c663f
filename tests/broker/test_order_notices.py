"""Order notices reach the queues that shops bind, in order and with the same id at a repeat: on both brokers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from broker.connection import open_connection
from producers.messages import Fate, OutgoingMessage, PublishResult
from producers.publisher import Publisher
from producers.relay import Relay
from schemas.order_notices import NOTICE_TYPES
from schemas.topology import EVENTS, ORDER_NOTICES, ORDERS_IN
from storage.order_notice_source import OrderNoticeSource
from storage.outbox import Outbox
from tests.support.order_events import internalized, placed, rejected
from tests.support.pipeline import Pipeline
from tests.support.wait import wait_until


class ShopQueue:
    """A queue that a shop has bound to `comporta.orders`."""

    def __init__(self, channel: Any, shop: str) -> None:
        self._channel = channel
        self._name = channel.queue_declare("", exclusive=True, durable=False, auto_delete=True).queue
        channel.queue_bind(self._name, ORDER_NOTICES, shop)

    def read(self, number: int) -> list[dict[str, Any]]:
        """Return so many events, validated, and no more."""
        events: list[dict[str, Any]] = []

        def arrived() -> bool:
            while (message := self._channel.basic_get(self._name, no_ack=True)) is not None:
                body = message.body
                events.append(json.loads(body if isinstance(body, str | bytes) else bytes(body)))
            return len(events) >= number

        wait_until(arrived, what=f"{number} notices")
        for event in events:
            NOTICE_TYPES[event["type"]].model_validate_json(json.dumps(event))
        assert len(events) == number
        return events


@contextmanager
def shop_queue(pipeline: Pipeline, shop: str = "main") -> Iterator[ShopQueue]:
    with open_connection(pipeline.url, name="test shop") as connection, connection.channel() as channel:
        yield ShopQueue(channel, shop)


@contextmanager
def relay(pipeline: Pipeline, publisher: Any = None) -> Iterator[Relay]:
    real = Publisher(pipeline.url, name="notices", deadline=20.0)
    try:
        outbox = Outbox(pipeline.database.fence, "r1")
        sources = [OrderNoticeSource(outbox)]
        yield Relay(sources, real if publisher is None else publisher(real), pipeline.stop)
        outbox.close([])
    finally:
        real.close()


def is_empty(pipeline: Pipeline) -> bool:
    """Whether no notice waits."""
    return Outbox(pipeline.database.fence, "test").is_empty()


def take(pipeline: Pipeline, orders: list[bytes], receipts: list[bytes], shop: str = "main") -> None:
    with pipeline.stepped_orders_worker() as worker:
        for bodies, key, exchange in ((orders, shop, ORDERS_IN), (receipts, f"{shop}.receipts", EVENTS)):
            pipeline.publish(*bodies, key=key, exchange=exchange)
            if bodies:
                worker.drain(len(bodies))


def test_a_shop_hears_of_its_orders_in_order(pipeline: Pipeline) -> None:
    with shop_queue(pipeline) as queue, relay(pipeline) as notices:
        take(pipeline, [placed("a"), placed("b"), placed("c", total="1.00")], [rejected("a"), internalized("a", "5")])
        take(pipeline, [placed("a")], [], shop="other")
        # The notices of an order go out one after the other.
        assert notices.step() == 6
        events = queue.read(5)
        assert notices.step() == 0
        assert is_empty(pipeline)
    about = [(event["type"].split(".")[2], event["data"]) for event in events]
    assert [(kind, data) for kind, data in about if data["order_id"] == "a"] == [
        ("accepted", {"order_id": "a"}),
        ("rejected", {"order_id": "a", "reason": "no credit"}),
        ("internalized", {"order_id": "a", "erp_number": "5"}),
    ]
    assert ("accepted", {"order_id": "b"}) in about
    [refused] = [data for kind, data in about if kind == "refused"]
    assert refused["order_id"] == "c"
    assert [reason["code"] for reason in refused["reasons"]] == ["order_sum"]
    assert len({event["id"] for event in events}) == 5
    assert {event["subject"] for event in events} == {"a", "b", "c"}


def test_without_a_queue_notices_are_dropped_and_do_not_pile_up(pipeline: Pipeline) -> None:
    take(pipeline, [placed("a")], [])
    with relay(pipeline) as notices:
        assert notices.step() == 1
        assert notices.step() == 0
        assert is_empty(pipeline)


class _Deaf:
    """A publisher whose confirms are lost, as when the process dies before it notes them."""

    def __init__(self, real: Publisher) -> None:
        self._real = real

    def publish_all(self, messages: Any) -> Iterator[PublishResult]:
        for result in self._real.publish_all(messages):
            yield result._replace(fate=Fate.UNKNOWN, detail="lost")


def test_a_notice_that_was_not_confirmed_is_published_again_under_its_id(pipeline: Pipeline) -> None:
    take(pipeline, [placed("a")], [internalized("a")])
    with shop_queue(pipeline) as queue:
        with relay(pipeline, _Deaf) as notices:
            # The first was not confirmed, so that the second must wait.
            assert notices.step() == 0
        with relay(pipeline) as notices:
            assert notices.step() == 2
        first, again, second = queue.read(3)
    assert (first["id"], first["data"]) == (again["id"], again["data"])
    assert [first["type"], second["type"]] == ["comporta.order.accepted.v1", "comporta.order.internalized.v1"]


class _RefusesOne:
    """A publisher that refuses the notices of one shop, as a broker does whose queue is full."""

    def __init__(self, real: Publisher) -> None:
        self._real = real

    def publish_all(self, messages: Any) -> Iterator[PublishResult]:
        for message in messages:
            yield self._fate(message)

    def _fate(self, message: OutgoingMessage) -> PublishResult:
        if message.routing_key == "full":
            return PublishResult(message, Fate.NACKED, "a queue is full")
        return self._real.publish(message)


def test_a_shop_whose_queue_is_full_holds_up_no_other(pipeline: Pipeline) -> None:
    take(pipeline, [placed("a"), placed("b")], [], shop="full")
    take(pipeline, [placed("a")], [])
    with relay(pipeline, _RefusesOne) as notices:
        assert notices.step() == 1
        # It is left alone for a while.
        assert notices.step() == 0
        assert not is_empty(pipeline)
