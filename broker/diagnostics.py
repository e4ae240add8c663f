"""Looks at a broker as whoever runs Comporta would, and changes nothing in it.

What is there is declared once more, alike. A right to publish or to consume is tried with a request that the broker
refuses as malformed once it has found that the right is there.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Any, NamedTuple

from amqp.exceptions import AccessRefused, NotAllowed, NotFound, PreconditionFailed
from kombu import Connection

from broker.connection import BrokerLost, open_connection, release, translated
from schemas.topology import EXCHANGES, QUEUES, Queue

__all__ = ["BrokerFacts", "QueueFacts", "inspect_broker", "login_refused"]

DEFAULT_EXCHANGE = ""
# What the broker says of the malformed parts of a request that it would otherwise have done.
_ON_PURPOSE = re.compile(r"user_id|expiration|x-priority")


class QueueFacts(NamedTuple):
    """A queue that is there: what waits, who consumes; `declare` and `consume` say what the broker refuses, or None."""

    messages: int
    consumers: int
    declare: str | None
    consume: str | None


class BrokerFacts(NamedTuple):
    """The server's version, and what of the topology is there; what is missing is None.

    Of an exchange: why it can't be declared, and why nothing can be published to it, each None if it can.
    """

    version: str
    exchanges: dict[str, tuple[str | None, str | None] | None]
    queues: dict[str, QueueFacts | None]


def inspect_broker(url: str) -> BrokerFacts:
    """All that can be learnt over AMQP; raises `BrokerLost` if the broker can't be reached or refuses the login."""
    connection = open_connection(url, name="doctor")
    try:
        with translated():
            version = str(connection.connection.server_properties.get("version", "unknown"))
            exchanges = {name: _exchange(connection, name) for name in (*EXCHANGES, DEFAULT_EXCHANGE)}
            return BrokerFacts(version, exchanges, {name: _queue(connection, queue) for name, queue in QUEUES.items()})
    finally:
        release(connection)


def login_refused(error: BrokerLost) -> bool:
    """Whether the broker was reached and did not let us in: the user, the password or the virtual host is wrong."""
    return isinstance(error.__cause__, AccessRefused | NotAllowed)


def _exchange(connection: Connection, name: str) -> tuple[str | None, str | None] | None:
    if name == DEFAULT_EXCHANGE:
        return None, _refusal(connection, lambda channel: _publish(channel, name))
    if not _there(connection, lambda channel: channel.exchange_declare(name, EXCHANGES[name], passive=True)):
        return None
    kind = EXCHANGES[name]
    declared = _refusal(
        connection, lambda channel: channel.exchange_declare(name, kind, durable=True, auto_delete=False)
    )
    return declared, _refusal(connection, lambda channel: _publish(channel, name))


def _queue(connection: Connection, queue: Queue) -> QueueFacts | None:
    counted: list[Any] = []
    if not _there(connection, lambda channel: counted.append(channel.queue_declare(queue.name, passive=True))):
        return None
    [counts] = counted
    return QueueFacts(
        counts.message_count,
        counts.consumer_count,
        _refusal(connection, lambda channel: _declare(channel, queue)),
        _refusal(connection, lambda channel: _consume(channel, queue.name)),
    )


def _declare(channel: Any, queue: Queue) -> None:
    channel.queue_declare(queue.name, durable=True, auto_delete=False, arguments=queue.arguments)
    for key in queue.routing_keys:
        channel.queue_bind(queue.name, queue.exchange, key)


def _publish(channel: Any, exchange: str) -> None:
    # The right is checked first. Either property alone has the message refused; and no queue has such a name.
    nobody = f"comporta.doctor.{secrets.token_hex(8)}"
    message = channel.prepare_message(b"", properties={"expiration": "never", "user_id": nobody})
    channel.basic_publish(message, exchange=exchange, routing_key=nobody)
    # The refusal comes before the answer to this.
    channel.basic_qos(0, 1, False)


def _consume(channel: Any, queue: str) -> None:
    channel.basic_consume(queue, arguments={"x-priority": "malformed"}, on_cancel=None)


def _there(connection: Connection, look: Callable[[Any], object]) -> bool:
    try:
        with connection.channel() as channel:
            look(channel)
    except NotFound:
        return False
    return True


def _refusal(connection: Connection, action: Callable[[Any], object]) -> str | None:
    """Why the broker refuses an action; None if it does it, or would if it were not malformed on purpose."""
    try:
        with connection.channel() as channel:
            action(channel)
    except AccessRefused as refused:
        return str(refused.reply_text)
    except PreconditionFailed as refused:
        said = str(refused.reply_text)
        return None if _ON_PURPOSE.search(said) else said
    return None
