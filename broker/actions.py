"""Actions that declare and bind objects, one after the other on a channel; each refusal is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

from amqp.exceptions import AccessRefused, NotFound, PreconditionFailed, ResourceLocked
from kombu import Connection

from broker.connection import translated
from broker.former_queues import declare_queue
from schemas.topology import Queue

__all__ = ["Action", "DeclareFault", "bind_actions", "declare_action", "exchange_action", "run_actions"]

# The name of the object that a refusal is kept under, and the call.
Action = tuple[str, Callable[[Any], object]]


class DeclareFault(NamedTuple):
    """The broker's refusal to declare an object, which no repetition mends.

    `mismatch`: the object exists with other properties. Otherwise this user lacks the right to declare it, and it may
    be there all the same.
    """

    text: str
    mismatch: bool


def run_actions(connection: Connection, actions: Iterable[Action]) -> dict[str, DeclareFault]:
    """Run the actions; return the first refusal by name. Raises `BrokerLost`."""
    faults: dict[str, DeclareFault] = {}
    with translated():
        channel = connection.channel()
        for name, action in actions:
            try:
                action(channel)
            except (AccessRefused, NotFound, PreconditionFailed, ResourceLocked) as refused:
                mismatch = isinstance(refused, PreconditionFailed | ResourceLocked)
                faults.setdefault(name, DeclareFault(str(refused.reply_text), mismatch))
                # The broker has closed the channel.
                channel = connection.channel()
        channel.close()
    return faults


def exchange_action(name: str, kind: str, arguments: dict[str, object] | None = None) -> Action:
    """Return the declaration of an exchange."""
    return name, partial(_declare_exchange, name, kind, arguments)


def declare_action(queue: Queue) -> Action:
    """Return the declaration of a queue."""
    return queue.name, partial(declare_queue, queue=queue)


def bind_actions(queue: Queue) -> Iterator[Action]:
    """Yield the bindings of a queue."""
    for key in queue.routing_keys:
        yield queue.name, partial(_bind, queue.name, queue.exchange, key)


def _declare_exchange(name: str, kind: str, arguments: dict[str, object] | None, channel: Any) -> None:
    channel.exchange_declare(name, kind, durable=True, auto_delete=False, arguments=arguments)


def _bind(queue: str, exchange: str, key: str, channel: Any) -> None:
    channel.queue_bind(queue, exchange, key)
