"""Queue probe: the lengths and consumers of the queues, by passive declaration."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import kombu
from amqp.exceptions import AccessRefused, ChannelError

from broker.connection import is_memory, open_connection, release, translated
from schemas.topology import QUEUES

__all__ = ["QueueCount", "QueueProbe"]


class QueueCount(NamedTuple):
    """Messages of a queue that are ready, and its consumers; None on the embedded broker, which has no count."""

    ready: int
    consumers: int | None


class QueueProbe:
    """Reader of every queue of the topology, and of further ones, over one connection, which is kept.

    `missing` are the queues that the last reading did not find.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: kombu.Connection | None = None
        self.missing: frozenset[str] = frozenset()

    def read(self, further: Collection[str] = ()) -> dict[str, QueueCount]:
        """Return the counts by queue; raises `BrokerLost`.

        A queue that does not exist counts as empty. One that the broker does not let this user look at is left out:
        some versions ask for the right `configure`.
        """
        connection = self._connection or open_connection(self._url, name="queues")
        # Kept only while it works: after an error the next reading opens another one.
        self._connection = None
        try:
            found = self._read(connection, [*QUEUES, *further])
        except BaseException:
            release(connection, broken=True)
            raise
        self._connection = connection
        return found

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            release(self._connection)
            self._connection = None

    def _read(self, connection: kombu.Connection, names: Collection[str]) -> dict[str, QueueCount]:
        counted = not is_memory(self._url)
        found: dict[str, QueueCount] = {}
        missing: list[str] = []
        with translated():
            channel = connection.channel()
            for name in names:
                try:
                    result = channel.queue_declare(name, passive=True)
                except AccessRefused:
                    channel = connection.channel()
                except ChannelError as error:
                    if error.reply_code not in _MISSING:
                        raise
                    found[name] = QueueCount(0, 0 if counted else None)
                    missing.append(name)
                    channel = connection.channel()
                else:
                    found[name] = QueueCount(result.message_count, result.consumer_count if counted else None)
            channel.close()
        self.missing = frozenset(missing)
        return found


# The embedded broker gives the code as text.
_MISSING = (404, "404")
