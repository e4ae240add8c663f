"""Message text: every readable form of a refused message's body and headers, for a search in them."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import jiter
import orjson

from schemas.events import MAX_BODY

__all__ = ["body_text", "message_fields", "message_texts", "unpacked"]

_BYTE_ORDER_MARKS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
# zlib's and gzip's header; of a compressed body at most so much is unpacked.
_PACKED = (b"\x1f\x8b", b"\x78\x01", b"\x78\x9c", b"\x78\xda")
_MOST_UNPACKED = 64 * 1024 * 1024
_ANY_HEADER = 47


def body_text(body: bytes) -> str:
    """Return a body as text: UTF-8 whose faults survive an encoding, or UTF-16."""
    encoding = _BYTE_ORDER_MARKS.get(body[:2])
    if encoding is None and b"\x00" in body[:4]:
        encoding = "utf-16-be" if body[:1] == b"\x00" else "utf-16-le"
    return body.decode(encoding, errors="replace") if encoding else body.decode(errors="surrogateescape")


def message_texts(body: bytes, headers: Mapping[str, Any]) -> Iterator[str]:
    """Yield the body, unpacked if it is compressed, its data if they are base64, and the headers."""
    plain = unpacked(body)
    text = body_text(plain)
    yield text
    yield orjson.dumps(headers, default=str).decode()
    data = _loaded(plain)
    if isinstance(data, dict) and isinstance(packed := data.get("data_base64"), str):
        with suppress(ValueError, binascii.Error):
            yield body_text(base64.b64decode(packed))


def message_fields(body: bytes, headers: Mapping[str, Any]) -> list[Any]:
    """Return the JSON values of a message: its headers, its body as far as it can be read, and its data in base64."""
    found: list[Any] = [dict(headers)]
    document = _loaded(unpacked(body, MAX_BODY))
    found.append(document)
    if isinstance(document, dict) and isinstance(packed := document.get("data_base64"), str):
        with suppress(ValueError, binascii.Error):
            found.append(_loaded(base64.b64decode(packed)))
    return found


def _loaded(body: bytes) -> Any:
    try:
        return jiter.from_json(
            body_text(body[:MAX_BODY]).encode(errors="replace"), partial_mode="trailing-strings", cache_mode="keys"
        )
    except ValueError:
        return None


def unpacked(body: bytes, most: int = _MOST_UNPACKED) -> bytes:
    """Return a body as it was before zlib or gzip, its first so many bytes, if it is compressed."""
    if not body.startswith(_PACKED):
        return body
    try:
        return zlib.decompressobj(_ANY_HEADER).decompress(body, most)
    except zlib.error:
        return body
