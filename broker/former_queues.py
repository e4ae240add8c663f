"""Queues with the arguments of a former release: tolerated while they are in use, and otherwise declared anew."""

from __future__ import annotations

from typing import Any

import structlog
from amqp.exceptions import AccessRefused, NotFound, PreconditionFailed
from kombu import Connection

from schemas.topology import Queue

__all__ = ["adopt", "declare_queue"]

log = structlog.get_logger(__name__)


def declare_queue(channel: Any, queue: Queue, arguments: dict[str, object] | None = None) -> Any:
    """Declare a queue with its present or other arguments; return the broker's counts, or raise its refusal."""
    return channel.queue_declare(queue.name, durable=True, auto_delete=False, arguments=arguments or queue.arguments)


def adopt(connection: Connection, queue: Queue) -> bool:
    """Return whether a queue that was refused with its present arguments has those of a former release.

    The broker never changes the arguments of an existing queue. One without consumers and messages is declared anew;
    one in use is taken as it is.
    """
    if queue.former is None:
        return False
    try:
        with connection.channel() as channel:
            replaced = not _is_used(channel, queue) and _replace(channel, queue)
    except PreconditionFailed:
        return False
    except (AccessRefused, NotFound) as refused:
        log.warning("queue can't be declared anew", queue=queue.name, error=str(refused.reply_text))
        return True
    if replaced:
        log.info("queue declared anew: it had the arguments of a former release, and was unused", queue=queue.name)
    return True


def _replace(channel: Any, queue: Queue) -> bool:
    # Unbound first: a message that is published meanwhile is returned to its sender instead of being lost.
    for key in queue.routing_keys:
        channel.queue_unbind(queue.name, queue.exchange, key)
    unused = not _is_used(channel, queue)
    if unused:
        # Without the flags if_unused and if_empty, which quorum queues do not know.
        channel.queue_delete(queue.name)
        declare_queue(channel, queue)
    for key in queue.routing_keys:
        channel.queue_bind(queue.name, queue.exchange, key)
    return unused


def _is_used(channel: Any, queue: Queue) -> bool:
    counts = declare_queue(channel, queue, queue.former)
    return bool(counts.message_count or counts.consumer_count)
