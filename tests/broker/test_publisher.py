"""Every message handed over has one result, in order: one suite for both brokers."""

from __future__ import annotations

import errno
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from broker.connection import BrokerUrlError
from producers.messages import Fate, OutgoingMessage
from producers.publisher import Publisher
from schemas.topology import EVENTS
from tests.support.pipeline import CLOUDEVENT, Pipeline, stock_event
from tests.support.services.broker import Broker


def outgoing(number: int, routing_key: str = "main.stock", exchange: str = EVENTS) -> OutgoingMessage:
    """An event that names its number."""
    return OutgoingMessage(exchange, routing_key, stock_event(number, f"P{number}"), f"e{number}")


@pytest.fixture
def publisher(pipeline: Pipeline) -> Iterator[Publisher]:
    """A publisher on each of the backends."""
    with Publisher(pipeline.url, window=50) as publisher:
        yield publisher


def test_everything_is_confirmed_in_order_and_arrives_as_it_was(pipeline: Pipeline, publisher: Publisher) -> None:
    messages = [outgoing(number) for number in range(300)]
    results = list(publisher.publish_all(messages))
    assert [result.message for result in results] == messages
    assert {result.fate for result in results} == {Fate.CONFIRMED}
    with pipeline.stepped_worker("stock") as worker:
        worker.source.buffer(300)
        deliveries = worker.source.receive(0)
        assert [delivery.body for delivery in deliveries] == [message.body for message in messages]
        properties = deliveries[0].properties
        assert (properties["message_id"], properties["content_type"], properties["delivery_mode"]) == (
            "e0",
            CLOUDEVENT,
            2,
        )


def test_headers_go_along(pipeline: Pipeline, publisher: Publisher) -> None:
    message = outgoing(1)._replace(headers={"ce-specversion": "1.0"})
    assert publisher.publish(message).fate is Fate.CONFIRMED
    with pipeline.stepped_worker("stock") as worker:
        worker.source.buffer(1)
        [delivery] = worker.source.receive(0)
        assert delivery.properties["application_headers"]["ce-specversion"] == "1.0"


def test_what_no_queue_takes_is_returned_and_its_neighbours_are_not(publisher: Publisher) -> None:
    keys = ["main.stock", "main.ghosts", "main.prices", "nowhere", "main.ghosts"]
    results = list(publisher.publish_all(outgoing(1, key) for key in keys))
    assert [result.fate for result in results] == [
        Fate.CONFIRMED,
        Fate.RETURNED,
        Fate.CONFIRMED,
        Fate.RETURNED,
        Fate.RETURNED,
    ]
    assert "no queue is bound for main.ghosts" in results[1].detail
    assert "NO_ROUTE" in results[1].detail
    assert results[0].detail == ""


def test_the_source_is_read_no_further_than_the_window(publisher: Publisher) -> None:
    read = 0

    def source() -> Iterator[OutgoingMessage]:
        nonlocal read
        for number in range(500):
            read += 1
            yield outgoing(number)

    ahead = [read - got for got, _ in enumerate(publisher.publish_all(source()), 1)]
    assert max(ahead) <= 50
    assert read == 500


def test_large_messages_shrink_the_window(pipeline: Pipeline) -> None:
    read = 0

    def source() -> Iterator[OutgoingMessage]:
        nonlocal read
        for number in range(20):
            read += 1
            yield outgoing(number)._replace(body=b" " * 300_000)

    with Publisher(pipeline.url, window_bytes=1_000_000) as publisher:
        ahead = [read - got for got, _ in enumerate(publisher.publish_all(source()), 1)]
    assert max(ahead) <= 4


def test_several_threads_share_one_publisher(pipeline: Pipeline, publisher: Publisher) -> None:
    fates: Counter[Fate] = Counter()

    def publish(first: int) -> None:
        for result in publisher.publish_all(outgoing(number) for number in range(first, first + 200)):
            fates[result.fate] += 1

    threads = [threading.Thread(target=publish, args=(first,)) for first in (0, 1000, 2000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert fates == {Fate.CONFIRMED: 600}
    assert pipeline.queue_depth("comporta.stock") == 600


def test_after_closing_nothing_is_sent_and_nothing_hangs(pipeline: Pipeline) -> None:
    publisher = Publisher(pipeline.url)
    assert publisher.publish(outgoing(1)).fate is Fate.CONFIRMED
    publisher.close()
    assert publisher.state == "closed"
    result = publisher.publish(outgoing(2))
    assert (result.fate, result.detail) == (Fate.UNKNOWN, "the publisher was closed")
    assert pipeline.queue_depth("comporta.stock") == 1


@pytest.mark.parametrize("url", ["", "http://localhost", "amqp://host:port/"])
def test_a_url_that_cannot_be_used_is_refused_at_once(url: str) -> None:
    with pytest.raises(BrokerUrlError):
        Publisher(url)


def test_the_publisher_speaks_tls_to_a_checked_server(
    rabbitmq: Broker, rabbitmq_pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, authority = rabbitmq.tls(rabbitmq_pipeline.url)
    with Publisher(url, deadline=1.0) as stranger:
        result = stranger.publish(outgoing(1))
        assert result.fate is Fate.UNKNOWN
        assert "certificate verify failed" in result.detail
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    with Publisher(url) as publisher:
        assert publisher.publish(outgoing(2)).fate is Fate.CONFIRMED


def test_a_wrong_password_is_named_and_not_repeated(rabbitmq_pipeline: Pipeline) -> None:
    with Publisher(rabbitmq_pipeline.url.replace("guest:guest", "guest:hunter2"), deadline=1.0) as publisher:
        result = publisher.publish(outgoing(1))
    assert result.fate is Fate.UNKNOWN
    assert "ACCESS_REFUSED" in result.detail or "Authentication" in result.detail
    assert "hunter2" not in result.detail


def test_a_connection_that_is_reset_as_it_comes_about_is_made_again(
    rabbitmq_pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    resets = [OSError(errno.ENOTCONN, "Transport endpoint is not connected")]
    plain = socket.socket.getpeername

    def getpeername(self: socket.socket) -> Any:
        if resets:
            raise resets.pop()
        return plain(self)

    monkeypatch.setattr(socket.socket, "getpeername", getpeername)
    with Publisher(rabbitmq_pipeline.url, deadline=20.0) as publisher:
        assert publisher.publish(outgoing(1)).fate is Fate.CONFIRMED
    assert resets == []
