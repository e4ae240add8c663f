"""Headers in JSON: every value of AMQP's tables, kept so that it can be published again as it was.

Where JSON has no form for a value, an object with one member stands for it: `$base64` (octets), `$base64_text` (text
with characters that JSON columns do not take), `$decimal`, `$python` (a value that can't be published again).
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

__all__ = ["NotRestorable", "headers_as_json", "headers_from_json"]

_BYTES, _TEXT, _DECIMAL, _PYTHON = "$base64", "$base64_text", "$decimal", "$python"
_MARKERS = frozenset({_BYTES, _TEXT, _DECIMAL, _PYTHON})
_DEEPEST = 100
_SMALLEST, _BIGGEST = -(2**63), 2**64 - 1


class NotRestorable(ValueError):
    """Headers that can't be published again as they were."""


def headers_as_json(headers: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the headers with values of JSON only."""
    return {_name(name): _as_json(value, 0) for name, value in headers.items()}


def headers_from_json(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the headers that `headers_as_json` was given; times are text. Raises `NotRestorable`."""
    return {name: _from_json(value) for name, value in headers.items()}


def _as_json(value: Any, depth: int) -> Any:
    if depth > _DEEPEST:
        return {_PYTHON: ascii(value)}
    match value:
        case None | bool():
            return value
        case int():
            return value if _SMALLEST <= value <= _BIGGEST else {_PYTHON: str(value)}
        case float():
            # Infinities and NaN have no form in JSON.
            return value if value - value == 0 else {_PYTHON: repr(value)}
        case str():
            return value if _is_storable(value) else {_TEXT: _base64(value.encode("utf-8", "surrogatepass"))}
        case bytes():
            return {_BYTES: _base64(value)}
        case Decimal():
            return {_DECIMAL: str(value)}
        case datetime():
            zoned = value if value.tzinfo else value.replace(tzinfo=UTC)
            return zoned.isoformat()
        case dict():
            table = {_name(name): _as_json(inner, depth + 1) for name, inner in value.items()}
            return {_PYTHON: ascii(value)} if _MARKERS & table.keys() else table
        case list() | tuple():
            return [_as_json(inner, depth + 1) for inner in value]
        case _:
            return {_PYTHON: ascii(value)}


def _from_json(value: Any) -> Any:
    if isinstance(value, list):
        return [_from_json(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"$base64": str(text)}:
            return b64decode(text)
        case {"$base64_text": str(text)}:
            return b64decode(text).decode("utf-8", "surrogatepass")
        case {"$decimal": str(text)}:
            return Decimal(text)
        case {"$python": _}:
            raise NotRestorable("a header has a value that JSON can't hold")
    return {name: _from_json(inner) for name, inner in value.items()}


def _name(name: object) -> str:
    text = name.decode(errors="replace") if isinstance(name, bytes) else str(name)
    return text if _is_storable(text) else text.replace("\0", "\ufffd").encode(errors="replace").decode()


def _is_storable(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _base64(data: bytes) -> str:
    return b64encode(data).decode("ascii")
