"""Broker of the tests: one that they start, or the one that the environment names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import pika
from pika.exceptions import AMQPError

from schemas.topology import EXCHANGES, QUEUES
from tests.support.services.processes import Service, ServiceFailed

__all__ = ["SETTING", "Broker", "SharedRabbitMQ", "open_channel"]

SETTING = "COMPORTA_TEST_BROKER_URL"


@contextmanager
def open_channel(url: str) -> Iterator[Any]:
    """A pika channel with confirms, on a connection of its own."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        channel = connection.channel()
        channel.confirm_delivery()
        yield channel
    finally:
        if connection.is_open:
            connection.close()


class Broker(Service):
    """RabbitMQ as any test may use it, over AMQP; its starter stops it."""

    name, setting = "RabbitMQ", SETTING

    def __init__(self, base: str) -> None:
        self._base = base

    @property
    def port(self) -> int:
        """The port that it listens on, to which a proxy before it forwards."""
        return urlsplit(self._base).port or 5672

    def url(self, vhost: str) -> str:
        """The broker URL of a virtual host."""
        parts = urlsplit(self._base)
        return urlunsplit((parts.scheme, parts.netloc, "/" + quote(vhost, safe=""), "", ""))

    def tls(self, url: str) -> tuple[str, Path]:
        """The same virtual host over TLS, and the file of the authority that vouches for the server."""
        raise self._not_ours()

    def queue_depth(self, url: str, queue: str) -> int:
        """Return the number of messages that are ready in a queue, without those that a consumer holds."""
        with open_channel(url) as channel:
            return int(channel.queue_declare(queue, passive=True).method.message_count)

    def new_vhost(self) -> str:
        """The URL of a virtual host without anything in it."""
        raise NotImplementedError

    def release_vhost(self, url: str) -> None:
        """Let a virtual host be deleted that nobody uses any more."""

    def kill(self) -> None:
        """End the server as a power cut would."""
        raise self._not_ours()

    def ctl(self, *arguments: str) -> str:
        """Return the output of rabbitmqctl for these arguments."""
        raise self._not_ours()


class SharedRabbitMQ(Broker):
    """The one that COMPORTA_TEST_BROKER_URL names: every test finds its virtual host emptied."""

    def open(self) -> None:
        try:
            self.new_vhost()
        except (AMQPError, OSError) as error:
            raise ServiceFailed(f"the broker that {SETTING} names can't be used: {error!r}") from error

    def new_vhost(self) -> str:
        with open_channel(self._base) as channel:
            for queue in QUEUES:
                channel.queue_delete(queue)
            for exchange in EXCHANGES:
                channel.exchange_delete(exchange)
        return self._base

    def close(self) -> None:
        self.new_vhost()
