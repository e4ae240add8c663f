"""py-amqp's connection, reading up to 256 KiB at a time: whole deliveries go past it, every other frame through it."""

from __future__ import annotations

import errno
from ssl import SSLError
from typing import Any

from amqp.exceptions import RecoverableConnectionError, UnexpectedFrame
from amqp.transport import SSLTransport, TCPTransport
from kombu.transport import pyamqp

from broker.frames import Frame, Frames, Take
from broker.properties import readable

__all__ = ["Transport"]

_CHUNK = 256 * 1024
_LARGEST_FRAME = 128 * 1024
# What a socket says that has nothing for now; TLS says it wants to read, whose number is that of ENOENT.
_NOTHING_YET = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR, errno.ENOENT})
_CONTENT, _HEARTBEAT = (2, 3), 8


class _Buffered:
    """Reads what has come, however much that is, instead of each frame in three parts.

    Nothing asks the socket whether there is more: TLS may hold decrypted bytes that the socket knows nothing of.
    """

    connected: bool
    _quick_recv: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.frames = Frames(_LARGEST_FRAME)

    def await_frame(self) -> None:
        """Returns when a whole frame is there; `TimeoutError` if the socket's time is up, what has come being kept."""
        while not self.frames.has_frame():
            self.frames.feed(self._receive())

    def read_frame(self) -> Frame:
        """The next frame, as py-amqp asks for it."""
        self.await_frame()
        return self.frames.next_frame()

    def _receive(self) -> bytes:
        try:
            data: bytes = self._quick_recv(_CHUNK)
        except TimeoutError:
            raise
        except OSError as error:
            if error.errno in _NOTHING_YET or (isinstance(error, SSLError) and "timed out" in str(error)):
                raise TimeoutError from error
            self.connected = False
            raise
        if not data:
            self.connected = False
            raise OSError("Server unexpectedly closed connection")
        return data


class _Tcp(_Buffered, TCPTransport):
    pass


class _Tls(_Buffered, SSLTransport):
    pass


class _Connection(pyamqp.Connection):
    """Gives a consumer's deliveries, whole runs at a time, to its callback's method `take`, if it has one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The channels on which py-amqp has got a part of a message: what follows belongs to it.
        self._open: set[int] = set()

    def Transport(self, host: str, connect_timeout: float, ssl: Any = False, *args: Any, **kwargs: Any) -> Any:
        """The transport for this address; py-amqp's name and order of arguments."""
        self._open.clear()
        read_timeout, write_timeout = args
        return (_Tls if ssl else _Tcp)(
            host,
            connect_timeout=connect_timeout,
            ssl=ssl,
            read_timeout=read_timeout,
            write_timeout=write_timeout,
            **kwargs,
        )

    def _on_tune(self, *args: Any, **kwargs: Any) -> None:
        super()._on_tune(*args, **kwargs)
        self.transport.frames.limit = self.frame_max

    def blocking_read(self, timeout: float | None = None) -> bool:
        """Reads and handles a run of deliveries or one frame; returns whether something has come of it."""
        transport = self._transport
        if transport is None:
            # py-amqp would connect anew here, to where nobody consumes.
            raise RecoverableConnectionError("Connection already closed")
        with transport.having_timeout(timeout):
            transport.await_frame()
        if not self._open and (taken := transport.frames.take_run(self._taker)):
            # Counted as py-amqp counts: the heartbeats go by it.
            self.bytes_recv += taken
            return True
        return self._hand_on(*transport.frames.next_frame())

    def _hand_on(self, kind: int, channel: int, payload: bytes) -> bool:
        try:
            done: bool = self.on_inbound_frame((kind, channel, readable(kind, payload)))
        except (ValueError, ArithmeticError, RecursionError) as error:
            # Said as any other fault of the connection, since it is none of ours.
            raise UnexpectedFrame(f"Received what can't be read: {type(error).__name__}") from error
        if kind in _CONTENT and done:
            self._open.discard(channel)
        elif kind != _HEARTBEAT and not done:
            self._open.add(channel)
        return done

    def _taker(self, channel_id: int, consumer: bytes) -> Take | None:
        channel = (self.channels or {}).get(channel_id)
        if channel is None or channel_id == 0 or channel.is_closing or channel.auto_decode:
            return None
        callback = channel.callbacks.get(consumer.decode(errors="replace"))
        take: Take | None = getattr(callback, "take", None)
        return take


class Transport(pyamqp.Transport):
    """kombu's way to RabbitMQ, over connections that read so."""

    Connection = _Connection
