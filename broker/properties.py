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

__all__ = ["UNREADABLE", "UNREADABLE_HEADERS", "UNREADABLE_REST", "decode_properties", "decode_text", "readable"]

# Header of a message with unreadable headers: a table of their names, each with the octets of its type and value.
UNREADABLE_HEADERS = "x-unreadable-headers"
# Header with the octets of a table from its first entry on whose end can't be told.
UNREADABLE_REST = "x-unreadable-rest"
# Errors of py-amqp for unreadable values: bad UTF-8, times beyond the year 9999, unknown types, endlessly nested
# tables, truncated values.
UNREADABLE = (ValueError, OverflowError, RecursionError, IndexError, TypeError, struct.error, AMQPError)

_DELIVER = b"\x00\x3c\x00\x3c"
_HEADER_SIZE = 12
# Octets of a table's values by their type (RabbitMQ, "AMQP 0-9-1 Complete Reference Guide: field types").
_FIXED = {
    kind: size
    for size, kinds in ((0, b"V"), (1, b"tbB"), (2, b"Uus"), (4, b"Iif"), (5, b"D"), (8, b"LldT"))
    for kind in kinds
}
_PREFIXED = frozenset(b"SxFA")


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
            flags = payload[_HEADER_SIZE : _HEADER_SIZE + 2]
            return payload[:_HEADER_SIZE] + flags + b"".join(_values(payload[_HEADER_SIZE:]))
        consumer, at = _short(payload, 4)
        exchange, next_at = _short(payload, at + 9)
        routing_key, _ = _short(payload, next_at)
        return b"".join((_DELIVER, consumer, payload[at : at + 9], exchange, routing_key))
    except UNREADABLE as error:
        raise UnexpectedFrame("Received properties that can't be read") from error


def _values(data: bytes) -> Iterator[bytes]:
    """Yield the value of each property that the flags name, repaired where it can't be read."""
    [flags] = struct.unpack_from(">H", data)
    at = 2
    for index, (_, kind) in enumerate(Message.PROPERTIES):
        if not flags & 0x8000 >> index:
            continue
        if kind == "s":
            value, at = _short(data, at)
        elif kind == "F":
            value, at = _table(data, at)
        else:
            _, end = loads(kind, data, at)
            value, at = data[at:end], end
        yield value


def _table(data: bytes, at: int) -> tuple[bytes, int]:
    [size] = struct.unpack_from(">I", data, at)
    end = at + 4 + size
    try:
        loads("F", data[at:end], 0)
        return data[at:end], end
    except UNREADABLE:
        return _long(_readable_entries(data[at + 4 : end])), end


def _readable_entries(table: bytes) -> bytes:
    """Return the readable entries of a table as they are, and the octets of the others under names of their own."""
    kept, unreadable, rest, at = [], [], b"", 0
    while at < len(table):
        try:
            start, end = _entry(table, at)
        except UNREADABLE:
            rest = table[at:]
            break
        entry = table[at:end]
        try:
            loads("F", _long(entry), 0)
            kept.append(entry)
        except UNREADABLE:
            name, _ = _short(table, at)
            unreadable.append(name + b"x" + _long(table[start:end]))
        at = end
    if unreadable:
        kept.append(dumps("s", [UNREADABLE_HEADERS]) + b"F" + _long(b"".join(unreadable)))
    if rest:
        kept.append(dumps("s", [UNREADABLE_REST]) + b"x" + _long(rest))
    return b"".join(kept)


def _entry(table: bytes, at: int) -> tuple[int, int]:
    """Return the beginning and the end of the type and value of an entry. Raises one of `UNREADABLE`."""
    start = at + 1 + table[at]
    kind = table[start]
    if kind in _PREFIXED:
        [size] = struct.unpack_from(">I", table, start + 1)
        end = start + 5 + size
    elif kind in _FIXED:
        end = start + 1 + _FIXED[kind]
    else:
        raise ValueError("a value of an unknown type")
    if end > len(table):
        raise ValueError("an entry that is cut off")
    return start, end


def _long(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _short(data: bytes, at: int) -> tuple[bytes, int]:
    """Return a short string in UTF-8 with its length, and the place after it."""
    end = at + 1 + data[at]
    text = data[at + 1 : end].decode("utf-8", "replace")
    # A replacement character takes three bytes instead of one, and a short string holds at most 255.
    fitting = text.encode()[:255].decode(errors="ignore").encode()
    return bytes([len(fitting)]) + fitting, end
