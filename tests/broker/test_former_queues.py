"""The control queue of a former release, with one active consumer: used as it is, and declared anew once unused."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

import kombu
import pytest

from broker.connection import open_connection, release
from broker.declare import declare
from broker.diagnostics import inspect_broker
from broker.former_queues import declare_queue
from schemas.topology import CONTROL, QUEUES
from tests.support.services.rabbitmq import open_channel

QUEUE = QUEUES[CONTROL]


@pytest.fixture
def connection(broker_url: str) -> Iterator[kombu.Connection]:
    """A connection to a broker with the queue of a former release."""
    connection = open_connection(broker_url, name="test")
    declare(connection)
    with connection.channel() as channel:
        channel.queue_delete(CONTROL)
        declare_queue(channel, QUEUE, QUEUE.former)
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


def test_a_queue_of_another_kind_is_still_a_fault(broker_url: str) -> None:
    with open_channel(broker_url) as channel:
        channel.queue_declare(CONTROL, durable=True)
    connection = open_connection(broker_url, name="test")
    assert declare(connection)[CONTROL].mismatch
    release(connection)
