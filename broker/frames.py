"""Frame buffer: whole deliveries taken from the bytes of a socket; every other frame is passed on unchanged.

AMQP 0-9-1, section 4.2.3: a delivery is a method frame, a content header and, unless it is empty, body frames.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from amqp.exceptions import UnexpectedFrame

from broker.properties import UNREADABLE, decode_properties, decode_text

__all__ = ["Frame", "Frames", "Take", "TakeFor"]

Frame = tuple[int, int, bytes]
# Called with tag, body, routing key, redelivered flag, and the read-only properties by AMQP's names.
Take = Callable[[int, bytes, str, bool, Mapping[str, Any]], None]
# Returns the function that takes the deliveries of a consumer on a channel; None if there is none.
TakeFor = Callable[[int, bytes], Take | None]

_METHOD, _HEADER, _BODY, _END = 1, 2, 3, 206
_DELIVER, _CONTENT = 60 << 16 | 60, 60 << 16
_HAS_HEADERS = 0x20
_MOST_CACHED = 256
_FRAME = struct.Struct(">BHI")
# The method frame up to the consumer's name, the fields after the name, and the beginning of each later frame, whose
# first octet is the end octet of the frame before it.
_read_method = struct.Struct(">BHIIB").unpack_from
_read_tag = struct.Struct(">QB").unpack_from
_read_header = struct.Struct(">BBHIIQ").unpack_from
_read_body = struct.Struct(">BBHI").unpack_from


class Frames:
    """Buffer of the received bytes that are not yet consumed; a payload of more than `limit` bytes is refused."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._data = b""
        self._at = 0

    def feed(self, data: bytes) -> None:
        """Append received bytes."""
        self._data = self._data[self._at :] + data
        self._at = 0

    def has_frame(self) -> bool:
        """Return whether the next frame is complete. Raises `UnexpectedFrame` if it exceeds the limit."""
        available = len(self._data) - self._at - _FRAME.size
        if available < 0:
            return False
        _, _, size = _FRAME.unpack_from(self._data, self._at)
        if size > self.limit:
            # A corrupt length may be 4 GB: to wait for it would fill the memory and never end.
            raise UnexpectedFrame(f"Received a frame of {size} bytes, with {self.limit} agreed upon")
        return bool(available > size)

    def next_frame(self) -> Frame:
        """Return the next frame: its type, channel and payload. Call it only if `has_frame` is true."""
        kind, channel, size = _FRAME.unpack_from(self._data, self._at)
        start = self._at + _FRAME.size
        end = start + size
        self._at = end + 1
        if self._data[end] != _END:
            raise UnexpectedFrame(f"Received frame_end {self._data[end]:#04x} while expecting 0xce")
        return kind, channel, self._data[start:end]

    def take_run(self, take_for: TakeFor) -> int:
        """Pass on the whole deliveries at the front of the buffer; return the number of their frames.

        Anything else ends the run: another method, a body of several frames, a consumer without a function that
        takes deliveries, unreadable content, and an incomplete delivery.
        """
        data, at, frames = self._data, self._at, 0
        known: tuple[int, bytes] | None = None
        take: Take | None = None
        # One loop that calls only C functions: it runs for each event and is a tenth of an event's cost.
        while True:
            try:
                kind, channel, size, method, name_size = _read_method(data, at)
                if method != _DELIVER or kind != _METHOD:
                    break
                name_end = at + 12 + name_size
                consumer = (channel, data[at + 12 : name_end])
                if consumer != known:
                    known, take = consumer, take_for(*consumer)
                end = at + 7 + size
                tag, flags = _read_tag(data, name_end)
                routing_key = _routing_key(data[name_end + 9 : end])
                before, kind, number, size, content, body_size = _read_header(data, end)
                if before != _END or kind != _HEADER or number != channel or content != _CONTENT:
                    break
                raw = data[end + 20 : end + 8 + size]
                end += 8 + size
                properties = _cached(raw) if size < _MOST_CACHED and not raw[0] & _HAS_HEADERS else _properties(raw)
                body, length = b"", 2
                if body_size:
                    before, kind, number, size = _read_body(data, end)
                    if before != _END or kind != _BODY or number != channel or size != body_size:
                        break
                    body, length = data[end + 8 : end + 8 + size], 3
                    end += 8 + size
                if data[end] != _END:
                    break
            except (struct.error, IndexError):
                break
            if take is None or routing_key is None or properties is None:
                break
            take(tag, body, routing_key, flags & 1 == 1, properties)
            at = end + 1
            frames += length
        self._at = at
        return frames


@lru_cache(maxsize=8192)
def _routing_key(names: bytes) -> str | None:
    """Return the second of two short strings, after the exchange's name; None if it is unreadable or bytes follow."""
    start = names[0] + 2
    if len(names) != start + names[start - 1]:
        return None
    try:
        return decode_text(names[start:])
    except ValueError:
        return None


def _properties(raw: bytes) -> Mapping[str, Any] | None:
    try:
        return MappingProxyType(decode_properties(raw))
    except UNREADABLE:
        return None


# Most publishers repeat the same properties. Those with header tables are not cached: a caller might change a table.
_cached = lru_cache(maxsize=1024)(_properties)
