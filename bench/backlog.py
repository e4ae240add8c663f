"""Queues of a measurement: filled with a backlog, counted, deleted."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import kombu
from amqp.exceptions import NotFound

from broker.connection import open_connection
from broker.declare import declare
from comporta.simulator.messages import ErpMessage
from schemas.domains import DOMAINS
from schemas.partitions import NO_PARTITIONS, Partitions
from schemas.topology import EVENTS, QUEUES, bulk_queue, event_queue

__all__ = ["CONTENT_TYPE", "Source", "consumers", "delete_queues", "fill", "open_channel", "server_version"]

CONTENT_TYPE = "application/cloudevents+json"
_PERSISTENT = 2
_TIMEOUT_SECONDS = 120.0
_EVENT_QUEUES = tuple(queue(domain) for domain in DOMAINS for queue in (event_queue, bulk_queue))


class Source(Protocol):
    """A backlog: so many messages, the same ones every time."""

    @property
    def count(self) -> int:
        """Return the number of messages."""

    def events(self) -> Iterator[ErpMessage]:
        """Yield the messages."""


@contextmanager
def open_channel(url: str) -> Iterator[Any]:
    """Yield a channel on a connection of its own."""
    connection: kombu.Connection = open_connection(url, name="bench")
    try:
        yield connection.channel()
    finally:
        connection.release()


def fill(url: str, backlog: Source, partitions: Partitions = NO_PARTITIONS) -> None:
    """Declare the queues and publish a backlog; return when all of it is in the queues."""
    connection = open_connection(url, name="bench")
    try:
        declare(connection, partitions)
        channel = connection.channel()
        for event in backlog.events():
            message = channel.prepare_message(
                event.body,
                content_type=CONTENT_TYPE,
                headers=event.headers if partitions.domains else None,
                properties={"delivery_mode": _PERSISTENT},
            )
            channel.basic_publish(message, exchange=EVENTS, routing_key=event.routing_key)
        _await_depth(channel, backlog.count, [*_EVENT_QUEUES, *partitions.names])
    finally:
        connection.release()


def consumers(url: str, queue: str) -> int:
    """Return the number of consumers of a queue; 0 if there is no such queue."""
    with open_channel(url) as channel:
        try:
            return int(channel.queue_declare(queue, passive=True).consumer_count)
        except NotFound:
            return 0


def delete_queues(url: str, queues: Iterable[str] = QUEUES) -> None:
    """Delete queues with their messages; Comporta's queues by default."""
    with open_channel(url) as channel:
        for queue in queues:
            channel.queue_delete(queue)


def server_version(url: str) -> str:
    """Return the broker's version."""
    with open_channel(url) as channel:
        return str(channel.connection.server_properties["version"])


def _await_depth(channel: Any, count: int, queues: Sequence[str]) -> None:
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while (depth := _depth(channel, queues)) != count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{count} events were published, {depth} are in the queues")
        time.sleep(0.1)


def _depth(channel: Any, queues: Sequence[str]) -> int:
    return sum(channel.queue_declare(queue, passive=True).message_count for queue in queues)
