"""Order payloads as canonical text: what a database or a JSON library would change is refused."""

from __future__ import annotations

import math
from typing import Any

import orjson

from schemas.reasons import Reason, Refused

__all__ = ["canonical_text"]

_SMALLEST, _BIGGEST = -(2**63), 2**64 - 1


def canonical_text(payload: dict[str, Any]) -> bytes:
    """Return the payload as JSON with sorted keys. Raises `Refused` if a value would not survive storage unchanged."""
    try:
        text = orjson.dumps(payload, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        # orjson does not write integers beyond 64 bits: search the payload for one.
        text = b"null"
    # orjson writes an infinity as null. Few orders have a null or a NUL, and only those are searched value by value.
    if (b"null" in text or b"\\u0000" in text) and (loss := _find_loss(payload)):
        raise Refused(*loss)
    return text


def _find_loss(payload: dict[str, Any]) -> tuple[Reason, str, str] | None:
    """Return the fault of the first value that a database or a JSON library would change; None if there is none.

    Such a value is in a field that Comporta only passes on: the models refuse it in all others.
    """
    pending: list[Any] = [payload]
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            if "\0" in value:
                return _NUL
        elif isinstance(value, dict):
            pending += value
            pending += value.values()
        elif isinstance(value, list):
            pending += value
        elif isinstance(value, int):
            if not _SMALLEST <= value <= _BIGGEST:
                return _TOO_BIG
        elif isinstance(value, float) and not math.isfinite(value):
            return _TOO_BIG
    return None


_NUL = (Reason.NUL_CHARACTER, "/data", "a field that is only passed on holds the NUL character")
_TOO_BIG = (Reason.NUMBER_RANGE, "/data", "a field that is only passed on holds a number beyond 64 bits")
