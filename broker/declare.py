"""Declaration of the exchanges, queues and bindings of the contract."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import structlog
from amqp.exceptions import AccessRefused, NotFound, PreconditionFailed, ResourceLocked
from kombu import Connection

from broker.connection import translated
from broker.former_queues import adopt, declare_queue, fitting_arguments
from schemas.topology import EXCHANGES, QUEUES, Queue

__all__ = ["DeclareFault", "declare", "declare_queues", "report_lost_queues"]

log = structlog.get_logger(__name__)

_NEXT_LOOK = 0.1

_Declare = Callable[[Any], object]


class DeclareFault(NamedTuple):
    """The broker's refusal to declare an object, which no repetition mends.

    `mismatch`: the object exists with other properties. Otherwise this user lacks the right to declare it, and it may
    be there all the same.
    """

    text: str
    mismatch: bool


def declare(connection: Connection) -> dict[str, DeclareFault]:
    """Declare the whole topology; existing objects with the same properties stay unchanged. Raises `BrokerLost`.

    Returns the refusals by the name of the exchange or queue; the others are declared all the same.
    """
    exchanges = ((name, partial(_declare_exchange, name, kind)) for name, kind in EXCHANGES.items())
    return _run(connection, exchanges) | declare_queues(connection, [*QUEUES.values()])


def declare_queues(connection: Connection, queues: Sequence[Queue]) -> dict[str, DeclareFault]:
    """Declare further queues, as `declare` does; one that exists as former releases declared it is taken as it is."""
    actions = (action for queue in queues for action in _queue_actions(connection, queue))
    return _run(connection, actions, {queue.name: queue for queue in queues})


def _run(
    connection: Connection, actions: Iterable[tuple[str, _Declare]], queues: Mapping[str, Queue] | None = None
) -> dict[str, DeclareFault]:
    faults: dict[str, DeclareFault] = {}
    with translated():
        channel = connection.channel()
        for name, action in actions:
            try:
                action(channel)
            except (AccessRefused, NotFound, PreconditionFailed, ResourceLocked) as refused:
                differs = isinstance(refused, PreconditionFailed)
                if not (differs and queues and adopt(connection, queues[name])):
                    mismatch = differs or isinstance(refused, ResourceLocked)
                    faults.setdefault(name, DeclareFault(str(refused.reply_text), mismatch))
                # The broker has closed the channel.
                channel = connection.channel()
        channel.close()
    return faults


def _queue_actions(connection: Connection, queue: Queue) -> Iterator[tuple[str, _Declare]]:
    yield queue.name, partial(declare_queue, queue=queue, arguments=fitting_arguments(connection, queue))
    for key in queue.routing_keys:
        yield queue.name, partial(_bind, queue.name, queue.exchange, key)


def _declare_exchange(name: str, kind: str, channel: Any) -> None:
    channel.exchange_declare(name, kind, durable=True, auto_delete=False)


def _bind(queue: str, exchange: str, key: str, channel: Any) -> None:
    channel.queue_bind(queue, exchange, key)


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
