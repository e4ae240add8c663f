"""Declaration of the exchanges, queues and bindings of the contract."""

from __future__ import annotations

from collections.abc import Iterable

import structlog
from amqp.exceptions import NotFound
from kombu import Connection

from broker.connection import translated
from schemas.topology import EXCHANGES, QUEUES

__all__ = ["declare", "report_lost_queues"]

log = structlog.get_logger(__name__)


def declare(connection: Connection) -> None:
    """Declare the whole topology; existing objects with the same properties stay unchanged. Raises `BrokerLost`."""
    with translated(), connection.channel() as channel:
        for name, kind in EXCHANGES.items():
            channel.exchange_declare(name, kind, durable=True, auto_delete=False)
        for queue in QUEUES.values():
            channel.queue_declare(queue.name, durable=True, auto_delete=False, arguments=queue.arguments)
            for key in queue.routing_keys:
                channel.queue_bind(queue.name, queue.exchange, key)


def report_lost_queues(connection: Connection, names: Iterable[str]) -> None:
    """Log each of these queues, consumed before, that no longer exists: its messages are lost. Raises `BrokerLost`."""
    for name in names:
        with translated(), connection.channel() as channel:
            try:
                channel.queue_declare(name, passive=True)
            except NotFound:
                log.error("queue was deleted, it is declared anew and empty; events may be lost", queue=name)
