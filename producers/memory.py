"""In-memory transport to the embedded broker of this process, with the same guarantees."""

from __future__ import annotations

import threading
import time
from typing import Any

import kombu

from broker.connection import BrokerLost, open_connection, release, translated
from broker.declare import declare
from producers.messages import Fate, OutgoingMessage
from producers.transport import PendingPublish

__all__ = ["MemoryTransport"]

_PERSISTENT = 2


class MemoryTransport:
    """Transport that puts each message into its queue at once; a message without a queue is returned."""

    def __init__(self, url: str) -> None:
        self._lock = threading.Lock()
        self._connection: kombu.Connection = open_connection(url, name="publisher")
        declare(self._connection)
        self._channel: Any = self._connection.channel()
        self._producer = kombu.Producer(self._channel)
        self._open = True

    @property
    def state(self) -> str:
        """State: `open` or `closed`."""
        return "open" if self._open else "closed"

    @property
    def alive(self) -> bool:
        """The transport is open."""
        return self._open

    def send(self, pending: PendingPublish) -> None:
        """Settle a message at once."""
        with self._lock:
            if not self._open:
                pending.settle(Fate.UNKNOWN, "the publisher was closed")
            elif not self._queues(pending.message):
                fate = Fate.RETURNED if pending.message.mandatory else Fate.CONFIRMED
                pending.settle(fate, f"312 NO_ROUTE: no queue is bound for {pending.message.routing_key}")
            else:
                self._put(pending)

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._open = False
            release(self._connection)

    def _queues(self, message: OutgoingMessage) -> list[str]:
        if not message.exchange:
            return [message.routing_key] if message.routing_key in self._channel.queues else []
        table = self._channel.get_table(message.exchange)
        kind = self._channel.typeof(message.exchange)
        queues = kind.lookup(table, message.exchange, message.routing_key, default=None)
        return [queue for queue in queues if queue is not None]

    def _put(self, pending: PendingPublish) -> None:
        message = pending.message
        try:
            with translated():
                self._producer.publish(
                    message.body,
                    exchange=message.exchange,
                    routing_key=message.routing_key,
                    content_type=message.content_type,
                    content_encoding="utf-8",
                    headers=dict(message.headers or {}),
                    delivery_mode=_PERSISTENT,
                    message_id=message.message_id,
                    timestamp=int(time.time()),
                )
        except BrokerLost as error:
            pending.settle(Fate.UNKNOWN, str(error))
        else:
            pending.settle(Fate.CONFIRMED)
