"""Actions that declare and bind objects, one after the other on a channel; each refusal is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from amqp.exceptions import AccessRefused, NotFound, PreconditionFailed, ResourceLocked
from kombu import Connection

from broker.connection import translated
from broker.former_queues import adopt, declare_queue, fitting_arguments
from schemas.topology import Queue

__all__ = ["Action", "DeclareFault", "bind_actions", "declare_queues", "exchange_action", "run_actions", "unbound"]

# The name of the object that a refusal is kept under, and the call.
Action = tuple[str, Callable[[Any], object]]


class DeclareFault(NamedTuple):
    """The broker's refusal to declare an object, which no repetition mends.

    `mismatch`: the object exists with other properties. Otherwise this user lacks the right to declare it, and it may
    be there all the same.
    """

    text: str
    mismatch: bool


def declare_queues(connection: Connection, queues: Sequence[Queue]) -> dict[str, DeclareFault]:
    """Declare and bind queues; one that exists as former releases declared it is taken as it is."""
    named = {queue.name: queue for queue in queues}
    actions = (action for queue in queues for action in _queue_actions(connection, queue))
    return run_actions(connection, actions, lambda name: adopt(connection, named[name]))


def run_actions(
    connection: Connection, actions: Iterable[Action], mend: Callable[[str], bool] = lambda _name: False
) -> dict[str, DeclareFault]:
    """Run the actions; return the first refusal by name, but for those that `mend` takes away. Raises `BrokerLost`."""
    faults: dict[str, DeclareFault] = {}
    with translated():
        channel = connection.channel()
        for name, action in actions:
            try:
                action(channel)
            except (AccessRefused, NotFound, PreconditionFailed, ResourceLocked) as refused:
                differs = isinstance(refused, PreconditionFailed)
                if not (differs and mend(name)):
                    mismatch = differs or isinstance(refused, ResourceLocked)
                    faults.setdefault(name, DeclareFault(str(refused.reply_text), mismatch))
                # The broker has closed the channel.
                channel = connection.channel()
        channel.close()
    return faults


def exchange_action(name: str, kind: str, arguments: dict[str, object] | None = None) -> Action:
    """Return the declaration of an exchange."""
    return name, partial(_declare_exchange, name, kind, arguments)


def bind_actions(queue: Queue) -> Iterator[Action]:
    """Yield the bindings of a queue."""
    for key in queue.routing_keys:
        yield queue.name, partial(_bind, queue.name, queue.exchange, key)


def unbound(queue: Queue) -> Queue:
    """Return a queue without its bindings, to be declared alone."""
    return replace(queue, routing_keys=())


def _queue_actions(connection: Connection, queue: Queue) -> Iterator[Action]:
    yield queue.name, partial(declare_queue, queue=queue, arguments=fitting_arguments(connection, queue))
    yield from bind_actions(queue)


def _declare_exchange(name: str, kind: str, arguments: dict[str, object] | None, channel: Any) -> None:
    channel.exchange_declare(name, kind, durable=True, auto_delete=False, arguments=arguments)


def _bind(queue: str, exchange: str, key: str, channel: Any) -> None:
    channel.queue_bind(queue, exchange, key)
