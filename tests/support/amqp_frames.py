"""AMQP frames, and the results of reading them with py-amqp's own connection and with ours."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import amqp
from amqp import spec
from amqp.method_framing import frame_handler, frame_writer
from amqp.serialization import dumps
from amqp.transport import TCPTransport
from kombu.transport import pyamqp

from broker import reader
from broker.connection import BrokerLost, translated

__all__ = [
    "CHANNELS",
    "CONSUMER",
    "ReadResult",
    "delivery_frames",
    "frame",
    "method_frame",
    "read_by_comporta",
    "read_by_py_amqp",
]

CHANNELS = (1, 2, 3)
CONSUMER = "comporta.stock"
_FRAME_MAX = 131_072


class ReadResult(NamedTuple):
    """Result of reading some bytes: deliveries and methods, bytes sent, frames counted, the error in the end."""

    events: list[tuple[Any, ...]]
    sent: bytes
    counted: int
    error: BaseException | None


class ScriptedSocket:
    """Socket that gives bytes a piece at a time, and times out between two pieces and at the end."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = [piece for piece in pieces if piece]
        self._pause = False
        self.done = False

    def recv(self, size: int) -> bytes:
        """Return at most so many bytes of the next piece."""
        if self._pause or not self._pieces:
            self.done = not self._pieces
            self._pause = False
            raise TimeoutError
        piece = self._pieces[0]
        if len(piece) > size:
            self._pieces[0] = piece[size:]
            return piece[:size]
        del self._pieces[0]
        self._pause = True
        return piece


class _Receiver:
    def __init__(self, channel: int, events: list[tuple[Any, ...]]) -> None:
        self._channel = channel
        self._events = events

    def __call__(self, message: Any) -> None:
        info = message.delivery_info
        body = message.body or b""
        self.keep(info["delivery_tag"], body, info["routing_key"], info["redelivered"], message.properties)

    def keep(self, tag: int, body: bytes, routing_key: str, redelivered: bool, properties: Mapping[str, Any]) -> None:
        """Note a delivery."""
        self._events.append(("delivery", self._channel, tag, body, routing_key, redelivered, dict(properties)))


class _Taker(_Receiver):
    def take(self, *parts: Any) -> None:
        """Note a delivery that came past py-amqp."""
        self.keep(*parts)


def read_by_py_amqp(*pieces: bytes, closing: bool = False) -> ReadResult:
    """Read the pieces with py-amqp; `closing`: while it waits for the channels to be closed."""
    return _read(pyamqp.Connection, TCPTransport, _Receiver, ScriptedSocket(pieces), closing)


def read_by_comporta(*pieces: bytes, closing: bool = False) -> ReadResult:
    """Read them with our connection."""
    return _read(reader.Transport.Connection, reader._Tcp, _Taker, ScriptedSocket(pieces), closing)


def _read(
    connection_class: Any, transport_class: Any, receiver: Callable[..., Any], wire: ScriptedSocket, closing: bool
) -> ReadResult:
    events: list[tuple[Any, ...]] = []
    sent: list[bytes] = []
    connection = connection_class(on_blocked=lambda reason: events.append(("blocked", reason)))
    transport = transport_class("nowhere:1")
    transport._quick_recv, transport.write = wire.recv, lambda data: sent.append(bytes(data))
    connection.transport = transport
    connection.on_inbound_frame = frame_handler(connection, connection.on_inbound_method)
    connection.frame_writer = frame_writer(connection, transport)
    for number in CHANNELS:
        channel = connection.Channel(connection, number)
        channel.auto_decode, channel.is_closing = False, closing
        channel.callbacks[CONSUMER] = receiver(number, events)
        channel.cancel_callbacks[CONSUMER] = lambda consumer, number=number: events.append(("cancel", number, consumer))
    error = _read_all(connection, wire)
    return ReadResult(events, b"".join(sent), connection.bytes_recv, error)


def _read_all(connection: Any, wire: ScriptedSocket) -> BaseException | None:
    """Read until nothing more comes; return the error that ended it, as the rest of the program would meet it."""
    while connection._transport is not None:
        try:
            with translated():
                _drain(connection)
        except BrokerLost as lost:
            return lost
        except Exception as error:
            return error
        if wire.done:
            return None
    return None


def _drain(connection: Any) -> None:
    with suppress(TimeoutError):
        connection.drain_events()


def frame(kind: int, channel: int, payload: bytes) -> bytes:
    """Build a frame, from its type to its end octet."""
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


def method_frame(channel: int, signature: tuple[int, int], format: str, *values: Any) -> bytes:
    """Build a method frame."""
    return frame(1, channel, struct.pack(">HH", *signature) + dumps(format, values))


def delivery_frames(
    channel: int,
    tag: int,
    body: bytes,
    *,
    consumer: str = CONSUMER,
    redelivered: bool = False,
    exchange: str = "erp.events",
    routing_key: str = "main.stock",
    frame_max: int = _FRAME_MAX,
    **properties: Any,
) -> bytes:
    """Build the frames of a delivery with py-amqp's own writer."""
    written: list[bytes] = []
    transport = type("Transport", (), {"write": lambda _, data: written.append(bytes(data))})()
    connection = type("Connection", (), {"frame_max": frame_max, "bytes_sent": 0})()
    arguments = dumps("sLbss", (consumer, tag, redelivered, exchange, routing_key))
    write = frame_writer(connection, transport)
    write(1, channel, spec.Basic.Deliver, arguments, amqp.Message(body, **properties))
    return b"".join(written)
