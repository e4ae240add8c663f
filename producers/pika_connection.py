"""pika SelectConnection with buffered writes and an immediate close; connection parameters, message properties."""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pika
from pika.exceptions import AMQPConnectionError

from broker.address import BrokerAddress
from producers.messages import OutgoingMessage
from rules.addresses import Host

__all__ = ["BufferedConnection", "connection_parameters", "error_text", "message_properties"]
_CONNECT_SECONDS = 5
_HEARTBEAT = 30
_PERSISTENT = 2


class BufferedConnection(pika.SelectConnection):
    """Connection that can join many frames into one write; pika writes each frame by itself, three a message."""

    _buffer: list[bytes] | None = None

    @contextmanager
    def buffered(self) -> Iterator[None]:
        """Buffer the frames that are sent inside the block, and write them as one."""
        frames: list[bytes] = []
        self._buffer = frames
        try:
            yield
        finally:
            self._buffer = None
            if frames:
                self._adapter_emit_data(b"".join(frames))

    def abandon(self, error: Exception) -> None:
        """End the connection at once: a peer that does not answer would not answer a close either."""
        if not self.is_closed:
            self._terminate_stream(error)

    def _adapter_emit_data(self, data: bytes) -> None:
        if self._buffer is not None:
            self._buffer.append(data)
        else:
            super()._adapter_emit_data(data)


def connection_parameters(
    address: BrokerAddress, node: Host, name: str, *, heartbeat: int = _HEARTBEAT, timeout: float = _CONNECT_SECONDS
) -> pika.ConnectionParameters:
    """Return pika's parameters for one node; `name` shows in the broker's list of connections."""
    return pika.ConnectionParameters(
        host=node.name,
        port=node.port,
        virtual_host=address.vhost,
        credentials=pika.PlainCredentials(address.user, address.password),
        # The CA certificates are the system's or SSL_CERT_FILE's.
        ssl_options=pika.SSLOptions(ssl.create_default_context(), node.name) if address.tls else None,
        heartbeat=heartbeat,
        socket_timeout=timeout,
        stack_timeout=timeout,
        client_properties={"connection_name": f"comporta {name} {os.getpid()}"},
    )


def message_properties(message: OutgoingMessage) -> pika.BasicProperties:
    """Return the AMQP properties of a message."""
    return pika.BasicProperties(
        content_type=message.content_type,
        headers=dict(message.headers) if message.headers else None,
        delivery_mode=_PERSISTENT,
        message_id=message.message_id,
        # An event may be dated long before it is sent: without this property its lag would be its age.
        timestamp=int(time.time()),
    )


def error_text(reason: Any) -> str:
    """Return the innermost error in a few words: pika wraps it up to four times."""
    while inner := _inside(reason):
        reason = inner
    code, text = getattr(reason, "reply_code", None), getattr(reason, "reply_text", None)
    if code is None:
        text = getattr(reason, "strerror", None) or str(reason)
    return f"{code or type(reason).__name__} {text}"[:200].strip()


def _inside(reason: Any) -> Any:
    wrapped = getattr(reason, "exceptions", None) or [getattr(reason, "exception", None)]
    if wrapped[-1] is None and isinstance(reason, AMQPConnectionError) and reason.args:
        wrapped = reason.args
    return wrapped[-1] if isinstance(wrapped[-1], Exception) else None
