"""Broker diagnostics with the rights of Comporta's own user; they change nothing in the broker.

Existing objects are declared again, unchanged. The right to publish or to consume is tested with a malformed request:
the broker checks the right first, and then refuses the request. The policy is tried on a queue that is deleted at once.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from amqp.exceptions import AccessRefused, MessageNacked, NotFound, PreconditionFailed
from kombu import Connection

from broker.connection import BrokerLost, broker_release, open_connection, release, translated
from broker.former_queues import Arguments, declare_queue
from schemas.partitions import change_domain
from schemas.topology import EVENTS, EXCHANGES, QUEUES, Queue

__all__ = ["BrokerFacts", "QueueFacts", "inspect_broker"]

DEFAULT_EXCHANGE = ""
_PROBES = 20
# The refusal of the malformed part of a test request: it shows that the right is there.
_EXPECTED_REFUSAL = re.compile(r"user_id|expiration|x-priority")


class QueueFacts(NamedTuple):
    """An existing queue: its counts, and the broker's refusal to declare or to consume it, or None.

    `former`: it has the arguments of a former release, which only a new declaration changes.
    """

    messages: int
    consumers: int
    declare: str | None
    consume: str | None
    former: bool = False


class BrokerFacts(NamedTuple):
    """The server's version, and the exchanges and queues of the topology; a missing one is None.

    `rejects_overflow`: a queue whose name begins with `comporta.` refuses what does not fit, as the policy for dead
    letters says; None if this user may not try it. An exchange has the refusal to declare it and the refusal to publish
    to it, each None if the broker allows it.
    """

    version: str
    rejects_overflow: bool | None
    exchanges: dict[str, tuple[str | None, str | None] | None]
    queues: dict[str, QueueFacts | None]


def inspect_broker(url: str, further: Sequence[Queue] = ()) -> BrokerFacts:
    """Return the facts that AMQP tells of the topology and of further queues.

    Raises `BrokerLost` if the broker can't be reached or refuses the login.
    """
    wanted = QUEUES | {queue.name: queue for queue in further}
    connection = open_connection(url, name="doctor")
    try:
        with translated():
            version = str(connection.connection.server_properties.get("version", "unknown"))
            exchanges = {name: _exchange(connection, name) for name in (*EXCHANGES, DEFAULT_EXCHANGE)}
            queues = {name: _queue(connection, queue) for name, queue in wanted.items()}
        return BrokerFacts(version, _rejects_overflow(url), exchanges, queues)
    finally:
        release(connection)


def _rejects_overflow(url: str) -> bool | None:
    """Return whether a full queue refuses a message, as the policy says; None if this user may not try it.

    AMQP shows no policy. A quorum queue for one message shows its effect; it is deleted at once, or by the broker after
    a minute.
    """
    connection = open_connection(url, name="doctor", publishing=True)
    queue = f"comporta.doctor.{secrets.token_hex(8)}"
    arguments = {"x-queue-type": "quorum", "x-max-length": 1, "x-expires": 60_000}
    try:
        with translated(), connection.channel() as channel:
            channel.queue_declare(queue, durable=True, auto_delete=False, arguments=arguments)
            try:
                return _is_refused(channel, queue)
            finally:
                channel.queue_delete(queue)
    except BrokerLost:
        return None
    finally:
        release(connection)


def _is_refused(channel: Any, queue: str) -> bool:
    """Return whether the queue refuses one of some messages: a quorum queue takes a few more than its limit."""
    try:
        for _ in range(_PROBES):
            channel.basic_publish_confirm(channel.prepare_message(b""), routing_key=queue, confirm_timeout=5)
    except MessageNacked:
        return True
    return False


def _exchange(connection: Connection, name: str) -> tuple[str | None, str | None] | None:
    if name == DEFAULT_EXCHANGE:
        return None, _refusal(connection, lambda channel: _publish(channel, name))
    if not _exists(connection, lambda channel: channel.exchange_declare(name, EXCHANGES[name], passive=True)):
        return None
    kind = EXCHANGES[name]
    declare_refusal = _refusal(
        connection, lambda channel: channel.exchange_declare(name, kind, durable=True, auto_delete=False)
    )
    return declare_refusal, _refusal(connection, lambda channel: _publish(channel, name))


def _queue(connection: Connection, queue: Queue) -> QueueFacts | None:
    results: list[Any] = []
    if not _exists(connection, lambda channel: results.append(channel.queue_declare(queue.name, passive=True))):
        return None
    counts = results[0] if results else None
    server = broker_release(connection)
    declare_refusal = _declare_refusal(connection, queue, queue.forms(server))
    former_forms = queue.former_forms(server) if declare_refusal is not None else ()
    former = bool(former_forms) and _declare_refusal(connection, queue, former_forms) is None
    return QueueFacts(
        counts.message_count if counts else 0,
        # Unknown: taken as consumed, rather than to warn about nothing.
        counts.consumer_count if counts else 1,
        None if former else declare_refusal,
        _refusal(connection, lambda channel: _consume(channel, queue.name)),
        former,
    )


def _declare_refusal(connection: Connection, queue: Queue, forms: Sequence[Arguments]) -> str | None:
    """Return the refusal to declare it with the first of these arguments; None if the broker takes any of them."""
    refusals = []
    for form in forms:
        refusal = _refusal(connection, partial(_declare, queue=queue, arguments=form))
        if refusal is None:
            return None
        refusals.append(refusal)
    return refusals[0]


def _declare(channel: Any, queue: Queue, arguments: Arguments) -> None:
    declare_queue(channel, queue, arguments)
    if change_domain(queue.name) is not None:
        # Where events go is the workers' matter, whose settings may be others: this only tries the right.
        unused = f"comporta.doctor.{secrets.token_hex(8)}"
        channel.queue_bind(queue.name, EVENTS, unused)
        channel.queue_unbind(queue.name, EVENTS, unused)
        return
    for key in queue.routing_keys:
        channel.queue_bind(queue.name, queue.exchange, key)


def _publish(channel: Any, exchange: str) -> None:
    # The broker checks the right first. Each property alone makes it refuse the message; no queue has this name.
    unknown = f"comporta.doctor.{secrets.token_hex(8)}"
    message = channel.prepare_message(b"", properties={"expiration": "never", "user_id": unknown})
    channel.basic_publish(message, exchange=exchange, routing_key=unknown)
    # A call with an answer: the refusal arrives before it.
    channel.basic_qos(0, 1, False)


def _consume(channel: Any, queue: str) -> None:
    channel.basic_consume(queue, arguments={"x-priority": "malformed"}, on_cancel=None)


def _exists(connection: Connection, passive_declare: Callable[[Any], object]) -> bool:
    try:
        with connection.channel() as channel:
            passive_declare(channel)
    except NotFound:
        return False
    except AccessRefused:
        # Some versions ask for the right to configure it. If it is missing, consuming or publishing says so.
        return True
    return True


def _refusal(connection: Connection, action: Callable[[Any], object]) -> str | None:
    """Return the broker's refusal of an action; None if it was done or refused only for its malformed part."""
    try:
        with connection.channel() as channel:
            action(channel)
    except AccessRefused as refused:
        return str(refused.reply_text)
    except PreconditionFailed as refused:
        text = str(refused.reply_text)
        return None if _EXPECTED_REFUSAL.search(text) else text
    return None
