"""Deliveries are read in whole runs from RabbitMQ, over TCP and TLS, among whatever else it says meanwhile."""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import kombu
import pytest

from broker.connection import BrokerLost, open_connection, release, translated
from consumers.source import BatchLimits, KombuSource
from schemas.topology import EVENTS
from tests.support.pipeline import Pipeline, stock_event
from tests.support.services.broker import Broker
from tests.support.services.proxy import Proxy
from tests.support.wait import wait_until

_QUEUE = "comporta.stock"


@pytest.fixture(params=["tcp", "tls"])
def url(
    request: pytest.FixtureRequest, rabbitmq: Broker, rabbitmq_pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> str:
    """The broker, by either way."""
    if request.param == "tcp":
        return rabbitmq_pipeline.url
    secured_pipeline, authority = rabbitmq.tls(rabbitmq_pipeline.url)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    return secured_pipeline


@contextmanager
def _source(url: str, *queues: str, prefetch: int = 1000) -> Iterator[tuple[kombu.Connection, KombuSource]]:
    connection = open_connection(url, name="test")
    try:
        yield connection, KombuSource(connection, queues or [_QUEUE], BatchLimits(500, 20, prefetch))
    finally:
        release(connection)


def _received(source: KombuSource, count: int) -> list[Any]:
    found: list[Any] = []

    def all_of_them() -> bool:
        batch = source.receive(0.2)
        found.extend(batch)
        source.settle(batch)
        return len(found) >= count

    wait_until(all_of_them, what=f"{count} deliveries")
    return found


def test_bodies_of_all_sizes_come_whole_and_in_order(url: str, rabbitmq_pipeline: Pipeline) -> None:
    sizes = [0, 1, 500, 16_384, 0, 131_064, 131_065, 300_000, 2, 2_000_000, 500]
    bodies = [bytes([number]) * size for number, size in enumerate(sizes)] * 3
    rabbitmq_pipeline.publish(*bodies)
    with _source(url) as (_, source):
        found = _received(source, len(bodies))
    assert [delivery.body for delivery in found] == bodies
    assert rabbitmq_pipeline.queue_depths() == {}


def test_the_broker_is_asked_and_answers_while_deliveries_pour_in(url: str, rabbitmq_pipeline: Pipeline) -> None:
    bodies = [stock_event(number, f"P{number}") for number in range(1, 301)]
    rabbitmq_pipeline.publish(*bodies)
    with _source(url) as (connection, source):
        with translated():
            for _ in range(5):
                asked = connection.channel()
                asked.basic_qos(0, 7, False)
                assert asked.queue_declare("comporta.prices", passive=True).queue == "comporta.prices"
                asked.close()
        found = _received(source, len(bodies))
    assert [delivery.body for delivery in found] == bodies
    assert [delivery.tag for delivery in found] == list(range(1, 301))


def test_what_was_not_settled_comes_again_and_says_so(rabbitmq_pipeline: Pipeline) -> None:
    rabbitmq_pipeline.publish(stock_event(1), stock_event(2))
    with _source(rabbitmq_pipeline.url) as (_, source):
        wait_until(lambda: source.receive(0.1), what="a delivery")
    with _source(rabbitmq_pipeline.url) as (_, source):
        assert [delivery.redelivered for delivery in _received(source, 2)] == [True, True]


def test_frames_that_came_past_py_amqp_keep_the_connection_alive(rabbitmq_pipeline: Pipeline) -> None:
    with _source(rabbitmq_pipeline.url) as (connection, source):
        amqp = connection.connection
        before = amqp.bytes_recv
        rabbitmq_pipeline.publish(stock_event(1), b"")
        _received(source, 2)
        # Three frames, and two for the one without a body.
        assert amqp.bytes_recv - before == 5
        assert amqp.heartbeat == 30


def test_a_silent_broker_is_given_up_after_two_heartbeats(rabbitmq: Broker, rabbitmq_pipeline: Pipeline) -> None:
    with Proxy(rabbitmq.port) as proxy:
        connection = open_connection(proxy.through(rabbitmq_pipeline.url), name="test")
        source = KombuSource(connection, [_QUEUE], BatchLimits())
        proxy.freeze()
        # As negotiated, but for a time that a test can wait.
        connection.connection.heartbeat = 1

        def given_up() -> BaseException | None:
            try:
                source.keep_alive(0.2)
            except BrokerLost as lost:
                return lost.__cause__
            return None

        assert "heartbeats missed" in str(wait_until(given_up, what="the connection to be given up"))
        release(connection, broken=True)


def test_a_cut_connection_is_lost_whatever_has_come_of_a_message(rabbitmq: Broker, rabbitmq_pipeline: Pipeline) -> None:
    with Proxy(rabbitmq.port) as proxy:
        connection = open_connection(proxy.through(rabbitmq_pipeline.url), name="test")
        source = KombuSource(connection, [_QUEUE], BatchLimits())
        rabbitmq_pipeline.publish(b"x" * 3_000_000)
        proxy.cut()
        with pytest.raises(BrokerLost):
            wait_until(lambda: source.receive(0.1) and False, what="the connection to be lost")
        release(connection, broken=True)
    with _source(rabbitmq_pipeline.url) as (_, source):
        assert len(_received(source, 1)[0].body) == 3_000_000


def _frame(kind: int, channel: int, payload: bytes) -> bytes:
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


def _short(data: bytes) -> bytes:
    return bytes([len(data)]) + data


def _publish_raw(pipeline: Pipeline, key: bytes, properties: bytes, body: bytes = b"{}") -> None:
    """Publishes what no library would: text that is no UTF-8, times that no calendar has."""
    with pipeline.channel() as channel:
        method = struct.pack(">HHH", 60, 40, 0) + _short(EVENTS.encode()) + _short(key) + b"\0"
        header = struct.pack(">HHQ", 60, 0, len(body)) + properties
        frames = [_frame(1, channel.channel_id, method), _frame(2, channel.channel_id, header)]
        frames += [_frame(3, channel.channel_id, body[at : at + 100_000]) for at in range(0, len(body), 100_000)]
        channel.connection.transport.write(b"".join(frames))
        # An answer on the same channel: the broker has read what came before.
        channel.queue_declare(_QUEUE, passive=True)


EVENT = stock_event(1)
_HEADER_TIME = _short(b"at") + b"T" + struct.pack(">Q", 1_795_000_000_000_000)
UNREADABLE = {
    "a routing key": (b"\xff.stock", struct.pack(">H", 0), "routing_key"),
    "a content type": (b"main.stock", struct.pack(">H", 0x8000) + _short(b"\xff\xfe"), "content_type"),
    "a content encoding": (b"main.stock", struct.pack(">H", 0x4000) + _short(b"\xff"), "content_encoding"),
    "a header": (b"main.stock", struct.pack(">HI", 0x2000, len(_HEADER_TIME)) + _HEADER_TIME, "malformed_json"),
}


@pytest.mark.parametrize("size", [2, 250_000])
@pytest.mark.parametrize("name", UNREADABLE)
def test_what_py_amqp_can_not_read_is_quarantined_alone(rabbitmq_pipeline: Pipeline, name: str, size: int) -> None:
    key, properties, reason = UNREADABLE[name]
    rabbitmq_pipeline.publish(stock_event(1, "before"))
    _publish_raw(rabbitmq_pipeline, key, properties, b"x" * size)
    rabbitmq_pipeline.publish(stock_event(1, "after"))
    with rabbitmq_pipeline.stepped_worker() as worker:
        worker.drain(3)
    [row] = rabbitmq_pipeline.quarantined()
    assert (row["reason"], bytes(row["body"])) == (reason, b"x" * size)
    assert rabbitmq_pipeline.product_codes() == {"before", "after"}
    assert rabbitmq_pipeline.queue_depths() == {}


def test_a_structured_event_with_a_time_beyond_the_year_9999_in_a_header_is_applied(
    rabbitmq_pipeline: Pipeline,
) -> None:
    content_type = b"application/cloudevents+json"
    table = struct.pack(">I", len(_HEADER_TIME)) + _HEADER_TIME
    _publish_raw(rabbitmq_pipeline, b"main.stock", struct.pack(">H", 0xA000) + _short(content_type) + table, EVENT)
    with rabbitmq_pipeline.stepped_worker() as worker:
        worker.drain(1)
    assert (rabbitmq_pipeline.product_codes(), rabbitmq_pipeline.quarantined()) == ({"P1"}, [])


def test_a_worker_takes_a_backlog_while_more_is_published(rabbitmq_pipeline: Pipeline) -> None:
    rabbitmq_pipeline.publish(*(stock_event(1, f"A{number}") for number in range(200)))
    worker = rabbitmq_pipeline.worker(batch_ms=20)
    working = threading.Thread(target=worker.run, daemon=True)
    working.start()
    rabbitmq_pipeline.publish(*(stock_event(1, f"B{number}") for number in range(200)))
    wait_until(lambda: rabbitmq_pipeline.outcomes() == {"applied": 400}, what="all to be applied")
    rabbitmq_pipeline.stop.set()
    working.join(10)
    assert not working.is_alive()
    assert rabbitmq_pipeline.queue_depths() == {}
