"""Takes whole deliveries out of what was read from a socket, and leaves every other frame as it is.

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

__all__ = ["Frame", "Frames", "Take", "TakerOf"]

Frame = tuple[int, int, bytes]
# Tag, body, routing key, whether it is redelivered, and the properties by AMQP's names, which nobody may change.
Take = Callable[[int, bytes, str, bool, Mapping[str, Any]], None]
# Who takes what comes on a channel for a consumer; None if nobody does.
TakerOf = Callable[[int, bytes], Take | None]

_METHOD, _HEADER, _BODY, _END = 1, 2, 3, 206
_DELIVER, _CONTENT = 60 << 16 | 60, 60 << 16
_HAS_HEADERS = 0x20
_MOST_CACHED = 256
_FRAME = struct.Struct(">BHI")
# A method frame up to the consumer's name, what follows the name, and each later frame's beginning, of which the
# first octet is the end of the frame before it.
_read_method = struct.Struct(">BHIIB").unpack_from
_read_tag = struct.Struct(">QB").unpack_from
_read_header = struct.Struct(">BBHIIQ").unpack_from
_read_body = struct.Struct(">BBHI").unpack_from


class Frames:
    """What has come and was not yet taken; a payload of more than `limit` bytes is refused."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._data = b""
        self._at = 0

    def feed(self, data: bytes) -> None:
        """Adds what came next."""
        self._data = self._data[self._at :] + data
        self._at = 0

    def has_frame(self) -> bool:
        """Whether the next frame is there from end to end; `UnexpectedFrame` if it is too long to wait for."""
        there = len(self._data) - self._at - _FRAME.size
        if there < 0:
            return False
        _, _, size = _FRAME.unpack_from(self._data, self._at)
        if size > self.limit:
            # A length that was garbled may be 4 GB: waiting for so much would fill the memory, and never end.
            raise UnexpectedFrame(f"Received a frame of {size} bytes, with {self.limit} agreed upon")
        return bool(there > size)

    def next_frame(self) -> Frame:
        """The next frame, of which `has_frame` is true: its type, channel and payload."""
        kind, channel, size = _FRAME.unpack_from(self._data, self._at)
        start = self._at + _FRAME.size
        end = start + size
        self._at = end + 1
        if self._data[end] != _END:
            raise UnexpectedFrame(f"Received frame_end {self._data[end]:#04x} while expecting 0xce")
        return kind, channel, self._data[start:end]

    def take_run(self, taker_of: TakerOf) -> int:
        """Hands over the whole deliveries that lie next; returns how many frames they were.

        Anything else ends the run: another method, a body of several frames, a consumer whose deliveries nobody
        takes, what can't be read, and a delivery of which a part has yet to come.
        """
        data, at, frames = self._data, self._at, 0
        known: tuple[int, bytes] | None = None
        take: Take | None = None
        # One loop, and no calls but into C: it runs for each event, a tenth of all that an event costs.
        while True:
            try:
                kind, channel, size, method, name_size = _read_method(data, at)
                if method != _DELIVER or kind != _METHOD:
                    break
                name_end = at + 12 + name_size
                consumer = (channel, data[at + 12 : name_end])
                if consumer != known:
                    known, take = consumer, taker_of(*consumer)
                end = at + 7 + size
                tag, flags = _read_tag(data, name_end)
                routing_key = _routing_key(data[name_end + 9 : end])
                before, kind, number, size, content, body_size = _read_header(data, end)
                if before != _END or kind != _HEADER or number != channel or content != _CONTENT:
                    break
                raw = data[end + 20 : end + 8 + size]
                end += 8 + size
                properties = _often(raw) if size < _MOST_CACHED and not raw[0] & _HAS_HEADERS else _properties(raw)
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
    """The second of two short strings, of which the first is the exchange's name; None unless that is all there is."""
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


# Most publishers say the same of every message. Tables are left out, since those who get them might change them.
_often = lru_cache(maxsize=1024)(_properties)
