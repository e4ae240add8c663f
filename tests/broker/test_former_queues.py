"""Queues of a former release: taken as they are; with one active consumer, declared anew once unused."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

import kombu
import pytest

from broker.connection import broker_release, open_connection, release
from broker.declare import declare, declare_queues
from broker.diagnostics import inspect_broker
from broker.former_queues import declare_queue
from schemas.topology import CONTROL, DEAD, QUEUES, orders_queue
from tests.support.services.broker import open_channel

QUEUE = QUEUES[CONTROL]


@pytest.fixture
def connection(broker_url: str) -> Iterator[kombu.Connection]:
    """A connection to a broker with the queue of a former release."""
    connection = open_connection(broker_url, name="test")
    declare(connection)
    with connection.channel() as channel:
        channel.queue_delete(CONTROL)
        declare_queue(channel, QUEUE, QUEUE.former_forms(broker_release(connection))[0])
        for key in QUEUE.routing_keys:
            channel.queue_bind(CONTROL, CONTROL, key)
    yield connection
    release(connection)


def is_former(url: str) -> bool:
    queue = inspect_broker(url).queues[CONTROL]
    assert queue is not None
    assert queue.declare is None
    return queue.former


def test_an_unused_queue_is_declared_anew_and_bound(
    broker_url: str, connection: kombu.Connection, logs: list[MutableMapping[str, Any]]
) -> None:
    assert is_former(broker_url)
    assert declare(connection) == {}
    assert not is_former(broker_url)
    with open_channel(broker_url) as channel:
        for key in QUEUE.routing_keys:
            channel.basic_publish(CONTROL, key, b"{}", mandatory=True)
    assert any("declared anew" in entry["event"] for entry in logs)


def test_a_queue_with_a_message_or_a_consumer_is_used_as_it_is(broker_url: str, connection: kombu.Connection) -> None:
    with open_channel(broker_url) as channel:
        channel.basic_publish(CONTROL, "pause", b"{}", mandatory=True)
    assert declare(connection) == {}
    assert is_former(broker_url)
    with open_channel(broker_url) as channel:
        channel.queue_purge(CONTROL)
        channel.basic_consume(CONTROL, lambda *_: None)
        assert declare(connection) == {}
        assert is_former(broker_url)
    assert declare(connection) == {}
    assert not is_former(broker_url)


@pytest.mark.parametrize("index", [0, 1])
def test_queues_with_either_delivery_limit_are_taken_as_they_are(broker_url: str, index: int) -> None:
    connection = open_connection(broker_url, name="test")
    server = broker_release(connection)
    own = orders_queue("north")
    with connection.channel() as channel:
        for queue in (*QUEUES.values(), own):
            forms = queue.forms(server)
            declare_queue(channel, queue, forms[min(index, len(forms) - 1)])
    for _ in range(2):
        assert declare(connection) == {}
        assert declare_queues(connection, [own]) == {}
    with connection.channel() as channel:
        channel.queue_delete("comporta.stock")
    assert declare(connection) == {}
    with connection.channel() as channel:
        # Declared anew as this release does, whatever the others are.
        declare_queue(channel, QUEUES["comporta.stock"], QUEUES["comporta.stock"].forms(server)[0])
    release(connection)
    queues = inspect_broker(broker_url).queues
    assert not [name for name, queue in queues.items() if queue is None or queue.declare or queue.former]


def test_a_queue_has_a_limit_without_an_argument_where_the_broker_knows_one() -> None:
    stock = QUEUES["comporta.stock"]
    assert ["x-delivery-limit" in stock.forms(each)[0] for each in ((3, 10), (3, 13), (4, 0), None)] == [
        True,
        True,
        False,
        True,
    ]
    assert "x-delivery-limit" in QUEUES[DEAD].forms((4, 3))[0]


def test_a_queue_of_another_kind_is_still_a_fault(broker_url: str) -> None:
    with open_channel(broker_url) as channel:
        channel.queue_declare(CONTROL, durable=True)
    connection = open_connection(broker_url, name="test")
    assert declare(connection)[CONTROL].mismatch
    release(connection)
