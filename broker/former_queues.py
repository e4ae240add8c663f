"""Queues that exist with the arguments of a former release: found out and declared with these, or declared anew."""

from __future__ import annotations

from typing import Any

import structlog
from amqp.exceptions import AccessRefused, NotFound, PreconditionFailed
from kombu import Connection

from broker.connection import broker_release
from schemas.topology import Queue

__all__ = ["Arguments", "adopt", "declare_queue", "fitting_arguments"]

log = structlog.get_logger(__name__)

Arguments = dict[str, object]

# By queue the arguments with which this process found it, if they are not those that it would be declared with: each
# attempt with others closes a channel, and is an error in the broker's log.
_found: dict[str, Arguments] = {}


def declare_queue(channel: Any, queue: Queue, arguments: Arguments) -> Any:
    """Declare a queue; return the broker's counts, or raise its refusal."""
    return channel.queue_declare(queue.name, durable=True, auto_delete=False, arguments=arguments)


def fitting_arguments(connection: Connection, queue: Queue) -> Arguments:
    """Return the arguments that a queue probably has; those of this release if it does not exist."""
    first, *others = queue.forms(broker_release(connection))
    # Where one queue is older than this release, the others probably are, too.
    if not _found or not others:
        return first
    if not _exists(connection, queue.name):
        _found.pop(queue.name, None)
        return first
    return _found.get(queue.name, others[0])


def adopt(connection: Connection, queue: Queue) -> bool:
    """Return whether a queue that was refused with its present arguments has those of a former release.

    The broker never changes the arguments of an existing queue: it is taken as it is. One that could hold up what this
    release does otherwise is declared anew if it has no consumers and messages.
    """
    release = broker_release(connection)
    for form in queue.forms(release):
        if _has(connection, queue, form):
            _found[queue.name] = form
            return True
    return any(_adopted(connection, queue, form) for form in queue.former_forms(release))


def _has(connection: Connection, queue: Queue, form: Arguments) -> bool:
    try:
        with connection.channel() as channel:
            declare_queue(channel, queue, form)
            for key in queue.routing_keys:
                channel.queue_bind(queue.name, queue.exchange, key)
    except (AccessRefused, NotFound, PreconditionFailed):
        return False
    return True


def _adopted(connection: Connection, queue: Queue, former: Arguments) -> bool:
    try:
        with connection.channel() as channel:
            replaced = not _is_used(channel, queue, former) and _replace(connection, channel, queue, former)
    except PreconditionFailed:
        return False
    except (AccessRefused, NotFound) as refused:
        log.warning("queue can't be declared anew", queue=queue.name, error=str(refused.reply_text))
        return True
    if replaced:
        log.info("queue declared anew: it had the arguments of a former release, and was unused", queue=queue.name)
    return True


def _replace(connection: Connection, channel: Any, queue: Queue, former: Arguments) -> bool:
    # Unbound first: a message that is published meanwhile is returned to its sender instead of being lost.
    for key in queue.routing_keys:
        channel.queue_unbind(queue.name, queue.exchange, key)
    unused = not _is_used(channel, queue, former)
    if unused:
        # Without the flags if_unused and if_empty, which quorum queues do not know.
        channel.queue_delete(queue.name)
        declare_queue(channel, queue, queue.forms(broker_release(connection))[0])
    for key in queue.routing_keys:
        channel.queue_bind(queue.name, queue.exchange, key)
    return unused


def _is_used(channel: Any, queue: Queue, former: Arguments) -> bool:
    counts = declare_queue(channel, queue, former)
    return bool(counts.message_count or counts.consumer_count)


def _exists(connection: Connection, name: str) -> bool:
    try:
        with connection.channel() as channel:
            channel.queue_declare(name, passive=True)
    except NotFound:
        return False
    except AccessRefused:
        # Some versions ask for a right that the worker does without.
        return True
    return True
