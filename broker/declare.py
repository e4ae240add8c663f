"""Declaration of the exchanges, queues and bindings of the contract."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable

import structlog
from amqp.exceptions import AccessRefused, NotFound
from kombu import Connection

from broker.actions import DeclareFault, declare_queues, exchange_action, run_actions, unbound
from broker.connection import translated
from broker.routes import declare_routes
from schemas.domains import DOMAINS
from schemas.partitions import NO_PARTITIONS, Partitions
from schemas.topology import EXCHANGES, QUEUES, event_queue

__all__ = ["DeclareFault", "declare", "declare_queues", "report_lost_queues"]

log = structlog.get_logger(__name__)

_NEXT_LOOK = 0.1


def declare(
    connection: Connection, partitions: Partitions | None = NO_PARTITIONS, former: Collection[str] = ()
) -> dict[str, DeclareFault]:
    """Declare the whole topology; existing objects with the same properties stay unchanged. Raises `BrokerLost`.

    Returns the refusals by the name of the exchange or queue; the others are declared all the same. With None for
    `partitions` the routes of change events are left as they are. `former` are domains that once had partitions.
    """
    if not connection.supports_heartbeats:
        # The embedded broker has no partitions.
        partitions = NO_PARTITIONS
    kept = frozenset(DOMAINS if partitions is None else partitions.domains)
    routed = {event_queue(domain) for domain in kept}
    queues = [unbound(queue) if queue.name in routed else queue for queue in QUEUES.values()]
    faults = run_actions(connection, (exchange_action(name, kind) for name, kind in EXCHANGES.items()))
    faults |= declare_queues(connection, queues)
    if partitions is not None and (partitions.domains or former):
        faults |= declare_routes(connection, partitions, [domain for domain in former if domain not in kept])
    return faults


def report_lost_queues(connection: Connection, names: Iterable[str], *, seconds: float = 0.0) -> None:
    """Log each of these queues, consumed before, that no longer exists: its messages are lost. Raises `BrokerLost`.

    `seconds`: for so long a queue is looked for again that is there, since one that is being deleted may be, too.
    """
    left, end = [*names], time.monotonic() + seconds
    while True:
        left = [name for name in left if not _is_lost(connection, name)]
        if not left or time.monotonic() >= end:
            return
        time.sleep(_NEXT_LOOK)


def _is_lost(connection: Connection, name: str) -> bool:
    with translated(), connection.channel() as channel:
        try:
            channel.queue_declare(name, passive=True)
        except NotFound:
            log.error("queue was deleted, it is declared anew and empty; events may be lost", queue=name)
            return True
        except AccessRefused:
            # Some versions ask for a right that the worker does without.
            return False
    return False
