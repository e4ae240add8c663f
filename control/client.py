"""Asks a running Comporta over the broker: a control message, and the reply to it."""

from __future__ import annotations

import time
from typing import Any
from uuid import uuid4

import pika
from pika.exceptions import AMQPError

from producers.errors import NoReply
from schemas.topology import CONTROL

__all__ = ["request"]

_NEVER_RUN = "has any worker run on this broker yet, and may this user write to comporta.control?"
_REPLY_TO = "amq.rabbitmq.reply-to"


def request(url: str, action: str, body: bytes, *, timeout: float, message_id: str | None = None) -> bytes:
    """Publishes a control message and returns the reply's body; raises `NoReply` after `timeout` seconds.

    A message that nobody has taken by then expires: it is not obeyed behind the sender's back.
    """
    try:
        parameters = pika.URLParameters(url)
        parameters.socket_timeout = parameters.blocked_connection_timeout = timeout
        connection = pika.BlockingConnection(parameters)
    except (AMQPError, OSError, ValueError) as error:
        raise NoReply(f"the broker can't be reached ({type(error).__name__}): is COMPORTA_BROKER_URL right?") from None
    try:
        reply = _exchange(connection.channel(), action, body, timeout, message_id)
    except (AMQPError, OSError) as error:
        raise NoReply(f"the broker refused the message ({error}): {_NEVER_RUN}") from None
    finally:
        if connection.is_open:
            connection.close()
    if reply is None:
        raise NoReply(
            f"no worker answered within {timeout:g} s, and the message has expired: is `comporta run` or "
            "`comporta worker` running? `comporta status` says what holds now"
        )
    return reply


def _exchange(channel: Any, action: str, body: bytes, timeout: float, message_id: str | None) -> bytes | None:
    replies: list[bytes] = []
    returned: list[str] = []
    correlation = str(uuid4())

    def receive(_channel: Any, _method: Any, properties: pika.BasicProperties, reply: bytes) -> None:
        if properties.correlation_id == correlation:
            replies.append(reply)

    channel.add_on_return_callback(lambda _channel, method, _properties, _body: returned.append(method.reply_text))
    channel.basic_consume(_REPLY_TO, receive, auto_ack=True)
    properties = pika.BasicProperties(
        content_type="application/json",
        delivery_mode=2,
        reply_to=_REPLY_TO,
        correlation_id=correlation,
        message_id=message_id,
        expiration=str(int(timeout * 1000)),
    )
    channel.basic_publish(CONTROL, action, body, properties, mandatory=True)
    # The broker answers in order: if it refuses the message, it closes the channel instead of answering this.
    channel.exchange_declare(CONTROL, passive=True)
    deadline = time.monotonic() + timeout
    while not (replies or returned) and (left := deadline - time.monotonic()) > 0:
        channel.connection.process_data_events(time_limit=min(left, 0.5))
    if returned:
        raise NoReply(f"the broker has no queue for the message ({returned[0]}): {_NEVER_RUN}")
    return replies[0] if replies else None
