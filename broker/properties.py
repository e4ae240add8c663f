"""Message properties: decoding, and repair of those that py-amqp can't read.

Any publisher can write them: text that is not UTF-8, or a time in milliseconds, would end the consumer's connection
at every delivery, and block all messages behind it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from amqp import Message
from amqp.exceptions import AMQPError, UnexpectedFrame
from amqp.serialization import decode_properties_basic, dumps, loads

__all__ = ["UNREADABLE", "UNREADABLE_HEADERS", "decode_properties", "decode_text", "readable"]

# The only header of a message whose headers can't be read.
UNREADABLE_HEADERS = "x-unreadable-headers"
# Errors of py-amqp for unreadable values: bad UTF-8, times beyond the year 9999, unknown types, endlessly nested
# tables, truncated values.
UNREADABLE = (ValueError, OverflowError, RecursionError, IndexError, TypeError, struct.error, AMQPError)

_DELIVER = b"\x00\x3c\x00\x3c"
_HEADER_SIZE = 12


def decode_text(data: bytes) -> str:
    """Return a short string as py-amqp decodes it. Raises `ValueError`."""
    return data.decode("utf-8", "surrogatepass")


def decode_properties(data: bytes) -> dict[str, Any]:
    """Return the properties by name, from their flags and values. Raises one of `UNREADABLE`."""
    properties: dict[str, Any]
    properties, _ = decode_properties_basic(data, 0)
    return properties


def readable(kind: int, payload: bytes) -> bytes:
    """Return a frame's payload, with unreadable text of a delivery or a content header replaced.

    Raises `UnexpectedFrame` if it can't be repaired.
    """
    try:
        if kind == 1 and payload.startswith(_DELIVER):
            loads("sLbss", payload, 4)
        elif kind == 2:
            decode_properties(payload[_HEADER_SIZE:])
        return payload
    except UNREADABLE:
        return _repaired(kind, payload)


def _repaired(kind: int, payload: bytes) -> bytes:
    try:
        if kind == 2:
            return payload[:_HEADER_SIZE] + _serialized(dict(_values(payload[_HEADER_SIZE:])))
        consumer, at = _short(payload, 4)
        exchange, next_at = _short(payload, at + 9)
        routing_key, _ = _short(payload, next_at)
        return b"".join((_DELIVER, dumps("s", [consumer]), payload[at : at + 9], dumps("ss", [exchange, routing_key])))
    except UNREADABLE as error:
        raise UnexpectedFrame("Received properties that can't be read") from error


def _values(data: bytes) -> Iterator[tuple[str, Any]]:
    [flags] = struct.unpack_from(">H", data)
    at = 2
    for index, (name, kind) in enumerate(Message.PROPERTIES):
        if not flags & 0x8000 >> index:
            continue
        value: Any
        if kind == "s":
            value, at = _short(data, at)
        elif kind == "F":
            value, at = _table(data, at)
        else:
            [value], at = loads(kind, data, at)
        yield name, value


def _table(data: bytes, at: int) -> tuple[dict[str, Any], int]:
    [size] = struct.unpack_from(">I", data, at)
    end = at + 4 + size
    try:
        [table], _ = loads("F", data[at:end], 0)
    except UNREADABLE:
        table = {UNREADABLE_HEADERS: True}
    return table, end


def _short(data: bytes, at: int) -> tuple[str, int]:
    end = at + 1 + data[at]
    text = data[at + 1 : end].decode("utf-8", "replace")
    # A replacement character takes three bytes instead of one, and a short string holds at most 255.
    return text.encode()[:255].decode(errors="ignore"), end


def _serialized(properties: dict[str, Any]) -> bytes:
    data: bytes = Message(**properties)._serialize_properties()
    return data
