"""Buffered reader for py-amqp: up to 256 KiB a read; whole deliveries bypass py-amqp, other frames go through it."""

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
# Errors of a socket without data for now; that of TLS, SSL_ERROR_WANT_READ, has the number of ENOENT.
_NO_DATA_YET = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR, errno.ENOENT})
_CONTENT, _HEARTBEAT = (2, 3), 8


class _Buffered:
    """Transport mixin that reads all available bytes at once, instead of each frame in three parts.

    It never polls the socket for more: TLS may hold decrypted bytes that the socket does not show.
    """

    connected: bool
    _quick_recv: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.frames = Frames(_LARGEST_FRAME)

    def await_frame(self) -> None:
        """Wait for a whole frame. Raises `TimeoutError` after the socket's timeout; bytes read so far stay buffered."""
        while not self.frames.has_frame():
            self.frames.feed(self._receive())

    def read_frame(self) -> Frame:
        """Return the next frame; py-amqp calls this."""
        self.await_frame()
        return self.frames.next_frame()

    def _receive(self) -> bytes:
        try:
            data: bytes = self._quick_recv(_CHUNK)
        except TimeoutError:
            raise
        except OSError as error:
            if error.errno in _NO_DATA_YET or (isinstance(error, SSLError) and "timed out" in str(error)):
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
    """Connection that passes whole deliveries to the method `take` of the consumer's callback, if it has one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Channels on which py-amqp holds a part of a message: the next frames belong to it.
        self._partial: set[int] = set()

    def Transport(self, host: str, connect_timeout: float, ssl: Any = False, *args: Any, **kwargs: Any) -> Any:
        """Return the transport for an address; the name and the order of arguments are py-amqp's."""
        self._partial.clear()
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
        """Read and handle a run of deliveries or one frame; return whether it completed a message or a method."""
        transport = self._transport
        if transport is None:
            # py-amqp would reconnect here, without the consumers.
            raise RecoverableConnectionError("Connection already closed")
        with transport.having_timeout(timeout):
            transport.await_frame()
        if not self._partial and (frames := transport.frames.take_run(self._take_for)):
            # In frames, as py-amqp counts: its heartbeat check relies on it.
            self.bytes_recv += frames
            return True
        return self._dispatch(*transport.frames.next_frame())

    def _dispatch(self, kind: int, channel: int, payload: bytes) -> bool:
        try:
            complete: bool = self.on_inbound_frame((kind, channel, readable(kind, payload)))
        except (ValueError, ArithmeticError, RecursionError) as error:
            # Raised as a fault of the connection, so that it is not taken for a bug of Comporta.
            raise UnexpectedFrame(f"Received what can't be read: {type(error).__name__}") from error
        if kind in _CONTENT and complete:
            self._partial.discard(channel)
        elif kind != _HEARTBEAT and not complete:
            self._partial.add(channel)
        return complete

    def _take_for(self, channel_id: int, consumer: bytes) -> Take | None:
        channel = (self.channels or {}).get(channel_id)
        if channel is None or channel_id == 0 or channel.is_closing or channel.auto_decode:
            return None
        callback = channel.callbacks.get(consumer.decode(errors="replace"))
        take: Take | None = getattr(callback, "take", None)
        return take


class Transport(pyamqp.Transport):
    """kombu's transport to RabbitMQ, with the buffered reader."""

    Connection = _Connection
