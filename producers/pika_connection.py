"""pika SelectConnection that writes and confirms many messages at once, and closes at once; its parameters."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pika
from pika.exceptions import AMQPConnectionError

from broker.address import BrokerAddress
from producers.messages import OutgoingMessage
from producers.publish_frames import message_frames, take_acks
from rules.addresses import Host

__all__ = ["BufferedConnection", "OnAcks", "connection_parameters", "error_text"]
_CONNECT_SECONDS = 5
_HEARTBEAT = 30
# Called with the tags of confirms, in their order, and whether each is for all earlier ones too.
OnAcks = Callable[[Sequence[tuple[int, bool]]], None]


class BufferedConnection(pika.SelectConnection):
    """Connection that can join many frames into one write; pika writes each frame by itself, three a message.

    The confirms on `channel` are passed to `on_acks`, as many at once as have arrived.
    """

    _buffer: list[bytes] | None = None
    _on_acks: OnAcks | None = None
    _channel = 0
    _frame_buffer: bytes

    def take_acks(self, channel: int, on_acks: OnAcks) -> None:
        """Pass the confirms on a channel to a function from now on, instead of to pika's callbacks.

        Those behind any other frame still come by pika's: so all answers of the broker keep their order.
        """
        self._channel, self._on_acks = channel, on_acks

    def publish(self, message: OutgoingMessage) -> None:
        """Write a message to the channel; raises what `message_frames` raises, with nothing written."""
        self._output_marshaled_frames([message_frames(self._channel, message, self._body_max_length)])

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

    def _on_data_available(self, data_in: bytes) -> None:
        if self._on_acks is not None:
            received = self._frame_buffer + data_in
            acks, data_in = take_acks(received, self._channel)
            self._frame_buffer = b""
            # By this pika knows that the connection lives.
            self.bytes_received += len(received) - len(data_in)
            if acks:
                self._on_acks(acks)
        super()._on_data_available(data_in)

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
