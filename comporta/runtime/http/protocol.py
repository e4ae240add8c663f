"""HTTP/1.1 protocol with limits: uvicorn's, with bounded times, rates and shares of the event loop."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import h11
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from comporta.runtime.http.connections import ConnectionTable, Stage
from comporta.runtime.http.flow import InputFlow
from comporta.runtime.http.limits import HttpLimits
from comporta.runtime.http.quiet_log import http_logger
from comporta.runtime.http.turns import Turns

__all__ = ["LimitedProtocol"]

# Bytes parsed in one go: 5 ms if they are chunks of one byte. More, where the piece before was payload.
_PIECE, _LARGE_PIECE = 1024, 16 * 1024
# Bytes of input that may wait before the socket is no longer read, and that one read returns.
_MOST_INPUT = 32 * 1024
# A body's chunks must have 32 bytes on average, once this many bytes have come.
_CHUNKS_FROM, _LEAST_PAYLOAD = 64 * 1024, 0.8
# Seconds after which a rate counts, and those that a client has to take a response that does not move.
_RATE_FROM, _STALLED_FROM, _STALLED_MOST = 5.0, 2.0, 60.0
# Bytes and seconds that are read after the response, so that the client can read it before the connection breaks.
_AFTER_RESPONSE, _LEAVING_SECONDS, _LEAVING_BYTES = 32 * 1024, 2.0, 1024 * 1024
_TEXTS = {
    400: ("Bad Request", "the chunks of the body are too small: send at least 32 bytes in each"),
    408: ("Request Timeout", "the request did not arrive in time"),
    503: ("Service Unavailable", "too many connections"),
}


class LimitedProtocol(H11Protocol):
    """Protocol of one connection in a `ConnectionTable`; `turns` shares the event loop among connections."""

    flow: InputFlow

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        loop: asyncio.AbstractEventLoop,
        table: ConnectionTable,
        turns: Turns,
        limits: HttpLimits,
    ) -> None:
        super().__init__(config, server_state, app_state, loop)
        self.logger = http_logger("uvicorn.error.http")
        self.address = ""
        self.stage, self.since = Stage.SILENT, time.monotonic()
        self._table = table
        self._turns = turns
        self._limits = limits
        self._input = bytearray()
        self._queued = False
        # Bytes of the present request: of input, of its body with the framing, and of the body alone.
        self._parsed = self._wire = self._payload = 0
        self._piece = _PIECE
        self._dropped = 0
        self._unsent, self._unsent_since = 0, 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Add the connection to the table; refuse it where there is no room."""
        super().connection_made(transport)
        self.flow = InputFlow(transport, self._schedule)
        # asyncio's own attribute: the most bytes of one read, 256 KiB unless set.
        transport.max_size = _MOST_INPUT  # type: ignore[attr-defined]
        self.address = self.client[0] if self.client else ""
        if not self._table.admit(self):
            self._refuse(503)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._table.remove(self)
        self._input.clear()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse the beginning of a request at once, and all further input in turns."""
        if self.stage is Stage.LEAVING:
            self._dropped += len(data)
            if self._dropped > _LEAVING_BYTES:
                self.transport.abort()
            return
        self._input += data
        if len(self._input) >= _MOST_INPUT:
            self.flow.hold()
        if self._parsed + len(self._input) <= _PIECE and not self.flow.read_paused:
            self.parse_piece()
        else:
            self._schedule()

    def parse_piece(self) -> bool:
        """Parse the next piece of input; return whether more waits."""
        self._queued = False
        if self.transport.is_closing() or self.flow.read_paused or not self._input:
            return False
        piece = bytes(self._input[: self._piece])
        del self._input[: self._piece]
        self._parse(piece)
        if len(self._input) < _MOST_INPUT:
            self.flow.release()
        self._queued = bool(self._input) and not self.flow.read_paused
        return self._queued

    def on_response_complete(self) -> None:
        """Continue with the next request, or with dropping the rest of this one."""
        super().on_response_complete()
        self._update()
        self._schedule()

    def shutdown(self) -> None:
        """Let a running request finish, then close."""
        if self.stage in {Stage.LEAVING, Stage.SILENT, Stage.STALLED}:
            self.transport.abort()
        else:
            super().shutdown()

    def evict(self) -> None:
        """Close the connection at once, in favour of another."""
        self.transport.abort()

    def check(self, now: float) -> None:
        """Close the connection if it is past one of its limits."""
        age = now - self.since
        if self.stage is Stage.LEAVING:
            if age > _LEAVING_SECONDS:
                self.transport.abort()
        elif self.stage is Stage.SILENT:
            if age > self._limits.header_timeout:
                self._refuse(408)
        elif self.stage is Stage.SENDING:
            self._check_body(age)
        elif self.stage in {Stage.WORKING, Stage.STALLED} or self.transport.is_closing():
            self._check_progress(now)

    def _parse(self, piece: bytes) -> None:
        before = self.cycle
        held = len(before.body) if before is not None else 0
        super().data_received(piece)
        cycle = self.cycle
        if cycle is not before:
            self._parsed, self._wire, self._payload = len(piece), 0, len(cycle.body)
        elif cycle is not None:
            payload = max(0, len(cycle.body) - held)
            self._parsed += len(piece)
            self._wire += len(piece)
            self._payload += payload
            self._piece = _LARGE_PIECE if payload > len(piece) * _LEAST_PAYLOAD else _PIECE
        self._update()
        if self.stage is Stage.SENDING and not self.transport.is_closing():
            self._check_bytes()

    def _check_bytes(self) -> None:
        if self._is_answered():
            if self._wire > _AFTER_RESPONSE:
                self._leave()
        elif self._wire > _CHUNKS_FROM and self._payload < self._wire * _LEAST_PAYLOAD:
            self._refuse(400)

    def _schedule(self) -> None:
        if self._input and not self._queued and not self.flow.read_paused:
            self._queued = True
            self._turns.add(self)

    def _is_answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _update(self) -> None:
        """Set the stage by the states of request and response."""
        if self.stage is not Stage.LEAVING and not self.transport.is_closing():
            self._table.move(self, self._present_stage(), time.monotonic())

    def _present_stage(self) -> Stage:
        if self.conn.their_state is h11.SEND_BODY:
            return Stage.SENDING
        if not self._is_answered():
            return Stage.WORKING
        if self.cycle is None or self._input or self.conn.trailing_data[0]:
            return Stage.SILENT
        self._parsed = 0
        return Stage.IDLE

    def _check_body(self, age: float) -> None:
        if self._is_answered():
            if age > _LEAVING_SECONDS:
                self._leave()
        elif age > self._limits.body_timeout or self._is_slow(age):
            self._refuse(408)

    def _is_slow(self, age: float) -> bool:
        if age < _RATE_FROM or self.flow.read_paused or self._input:
            return False
        return self._parsed < age * self._limits.body_rate

    def _check_progress(self, now: float) -> None:
        unsent = self.transport.get_write_buffer_size()
        if unsent == 0 or unsent != self._unsent:
            self._unsent, self._unsent_since = unsent, now
            if self.stage is Stage.STALLED:
                self._table.move(self, Stage.WORKING, now)
        elif now - self._unsent_since > _STALLED_MOST:
            self.transport.abort()
        elif now - self._unsent_since > _STALLED_FROM:
            self._table.move(self, Stage.STALLED, now)

    def _refuse(self, status: int) -> None:
        """Answer without the application, then leave; a connection that has sent nothing is closed without a word."""
        quiet = status == 408 and self.cycle is None and not self._input and not self.conn.trailing_data[0]
        started = self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if quiet or started or self.transport.is_closing():
            self.transport.abort()
            return
        title, text = _TEXTS[status]
        retry = "Retry-After: 5\r\n" if status == 503 else ""
        head = f"HTTP/1.1 {status} {title}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n{retry}"
        self.transport.write(f"{head}Content-Length: {len(text)}\r\n\r\n{text}".encode())
        if status == 503:
            # It is in no table, so nobody would end it later.
            self.transport.close()
        else:
            self._leave()

    def _leave(self) -> None:
        """Read no more requests: end the output, drop the input for a moment, then close."""
        self._input.clear()
        self._unset_keepalive_if_required()
        self._table.move(self, Stage.LEAVING, time.monotonic())
        if self.cycle is not None:
            self.cycle.disconnected = True
        if self.transport.can_write_eof() and not self.transport.is_closing():
            self.transport.write_eof()
        self.flow.release()
        self.flow.resume_reading()
