"""Synchronous publisher of single, confirmed messages: replies, announcements, the simulator's events."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import kombu

from broker.connection import BrokerLost, is_memory, open_connection, release, translated
from broker.declare import declare

__all__ = ["SyncPublisher"]

_PERSISTENT = 2
_CONFIRM_SECONDS = 10


class SyncPublisher:
    """Publisher on one connection, opened at first use and reopened after a loss; for one thread only."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._name = name
        self._producer: kombu.Producer | None = None

    def publish(self, body: bytes, *, exchange: str, routing_key: str, **properties: Any) -> None:
        """Publish one persistent message and wait for the confirm. Raises `BrokerLost`.

        After a loss of the connection it is published once more, on a new one.
        """
        try:
            self._publish(body, exchange, routing_key, properties)
        except BrokerLost:
            self.close(broken=True)
            self._publish(body, exchange, routing_key, properties)

    def reopen(self) -> None:
        """Open a new connection ahead of the next message; an error is left to that message."""
        self.close()
        with suppress(BrokerLost):
            self._open()

    def close(self, *, broken: bool = False) -> None:
        """Close the connection, if there is one; a broken one without a handshake."""
        producer, self._producer = self._producer, None
        if producer is not None:
            release(producer.connection, broken=broken)

    def _publish(self, body: bytes, exchange: str, routing_key: str, properties: dict[str, Any]) -> None:
        producer = self._producer or self._open()
        confirm = {} if is_memory(self._url) else {"confirm_timeout": _CONFIRM_SECONDS}
        with translated():
            producer.publish(
                body,
                exchange=exchange,
                routing_key=routing_key,
                delivery_mode=_PERSISTENT,
                **{"content_type": "application/json", "content_encoding": "utf-8", **confirm, **properties},
            )

    def _open(self) -> kombu.Producer:
        connection = open_connection(self._url, name=self._name, publishing=True)
        declare(connection, None)
        with translated():
            self._producer = kombu.Producer(connection.channel())
        return self._producer
