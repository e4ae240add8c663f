"""Frames of published messages and of their confirms, read and written without pika's objects.

AMQP 0-9-1, sections 4.2.3 and 4.2.6: a message is a method frame, a content header and body frames. pika makes an
object of each frame, and looks up callbacks for each: that costs three times as much as what it writes.
"""

from __future__ import annotations

import struct
import time
from functools import lru_cache

from pika.data import encode_table
from pika.exceptions import ShortStringTooLong

from producers.messages import OutgoingMessage

__all__ = ["message_frames", "take_acks"]

_METHOD, _HEADER, _BODY, _END = 1, 2, 3, 206
_BASIC, _PUBLISH, _ACK = 60, 40, 80
# The properties in the order in which they are written: content type, headers, delivery mode, message id, timestamp.
_PLAIN, _WITH_HEADERS = 0x90C0, 0xB0C0
_PERSISTENT = b"\x02"
_LONGEST = 255
_FRAME = struct.Struct(">BHI")
_METHOD_NAME = struct.Struct(">HHH")
_CONTENT = struct.Struct(">BHIHHQH")
# The part of a content header that its size counts, up to the flags.
_CONTENT_FIXED = 14
_ACK_FRAME = struct.Struct(">BHIHHQBB")
_ACK_SIZE = 13


def message_frames(channel: int, message: OutgoingMessage, most_body: int) -> bytes:
    """Return the frames of a message, dated now, with at most `most_body` bytes of its body in each.

    Raises `ShortStringTooLong`, `UnsupportedAMQPFieldException` or `ValueError` if it is no AMQP message.
    """
    body, flags, table = message.body, _PLAIN, b""
    if message.headers:
        flags, table = _WITH_HEADERS, _table(dict(message.headers))
    # An event may be dated long before it is sent: without the timestamp its lag would be its age.
    properties = b"%b%b%b%b%b" % (
        _name(message.content_type),
        table,
        _PERSISTENT,
        _short(message.message_id),
        int(time.time()).to_bytes(8),
    )
    size = len(body)
    header = _CONTENT.pack(_HEADER, channel, _CONTENT_FIXED + len(properties), _BASIC, 0, size, flags)
    method = _method(channel, message.exchange, message.routing_key, message.mandatory)
    if 0 < size <= most_body:
        return b"%b%b%b\xce%b%b\xce" % (method, header, properties, _FRAME.pack(_BODY, channel, size), body)
    parts = [body[start : start + most_body] for start in range(0, size, most_body)]
    frames = [b"%b%b\xce" % (_FRAME.pack(_BODY, channel, len(part)), part) for part in parts]
    return b"".join([method, header, properties, b"\xce", *frames])


def take_acks(data: bytes, channel: int) -> tuple[list[tuple[int, bool]], bytes]:
    """Split the confirms at the front of received bytes off; return tag and `multiple` of each, and what follows."""
    acks, at, last = [], 0, len(data) - _ACK_FRAME.size
    while at <= last:
        kind, number, size, group, method, tag, multiple, end = _ACK_FRAME.unpack_from(data, at)
        if (kind, number, size, group, method, end) != (_METHOD, channel, _ACK_SIZE, _BASIC, _ACK, _END):
            break
        acks.append((tag, multiple & 1 == 1))
        at += _ACK_FRAME.size
    return acks, data[at:]


@lru_cache(maxsize=8192)
def _method(channel: int, exchange: str, routing_key: str, mandatory: bool) -> bytes:
    arguments = b"%b%b%c" % (_short(exchange), _short(routing_key), mandatory)
    method = _METHOD_NAME.pack(_BASIC, _PUBLISH, 0) + arguments
    return b"%b%b\xce" % (_FRAME.pack(_METHOD, channel, len(method)), method)


def _short(text: str) -> bytes:
    octets = text.encode()
    if len(octets) > _LONGEST:
        raise ShortStringTooLong(octets)
    return b"%c%b" % (len(octets), octets)


_name = lru_cache(maxsize=64)(_short)


def _table(headers: dict[str, object]) -> bytes:
    pieces: list[bytes] = []
    encode_table(pieces, headers)
    return b"".join(pieces)
