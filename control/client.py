"""Control requests over the broker: a control message, and the reply of a running Comporta."""

from __future__ import annotations

import time
from typing import Any
from uuid import uuid4

import pika
from pika.exceptions import AMQPError

from broker.address import read_url
from broker.nodes import report_failure, shuffled
from producers.errors import NoReply
from producers.pika_connection import connection_parameters
from schemas.topology import CONTROL

__all__ = ["request"]

_NO_QUEUE_HINT = "has any worker run on this broker yet, and may this user write to comporta.control?"
_REPLY_TO = "amq.rabbitmq.reply-to"


def request(url: str, action: str, body: bytes, *, timeout: float, message_id: str | None = None) -> bytes:
    """Publish a control message and return the body of the reply; raises `NoReply` after `timeout` seconds.

    A message that no worker has taken by then expires, so that none obeys it after its sender has given up.
    """
    connection = _connect(url, timeout)
    try:
        reply = _call(connection.channel(), action, body, timeout, message_id)
    except (AMQPError, OSError) as error:
        raise NoReply(f"the broker refused the message ({error}): {_NO_QUEUE_HINT}") from None
    finally:
        if connection.is_open:
            connection.close()
    if reply is None:
        raise NoReply(
            f"no worker answered within {timeout:g} s, and the message has expired: is `comporta run` or "
            "`comporta worker` running? `comporta status` shows the current state"
        )
    return reply


def _connect(url: str, timeout: float) -> pika.BlockingConnection:
    address = read_url(url)
    faults: list[str] = []
    for node in shuffled(address.nodes):
        try:
            return pika.BlockingConnection(connection_parameters(address, node, "control", timeout=timeout))
        except (AMQPError, OSError) as error:
            report_failure(node)
            faults.append(f"{node}: {type(error).__name__}")
    raise NoReply(f"the broker can't be reached ({'; '.join(faults)}): is COMPORTA_BROKER_URL right?")


def _call(channel: Any, action: str, body: bytes, timeout: float, message_id: str | None) -> bytes | None:
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
    # The broker answers in order: if it refuses the message, it closes the channel instead of confirming the declare.
    channel.exchange_declare(CONTROL, passive=True)
    deadline = time.monotonic() + timeout
    while not (replies or returned) and (remaining := deadline - time.monotonic()) > 0:
        channel.connection.process_data_events(time_limit=min(remaining, 0.5))
    if returned:
        raise NoReply(f"the broker has no queue for the message ({returned[0]}): {_NO_QUEUE_HINT}")
    return replies[0] if replies else None
