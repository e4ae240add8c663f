"""Load part: the full load, and the chunk of it, that a change event names in its extension attributes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from schemas.fields import JsonSchema
from schemas.patterns import NO_NUL, one_line
from schemas.reasons import Reason, Refused

__all__ = ["LOAD_ATTRIBUTES", "WHOLE", "LoadPart", "load_attributes", "load_part", "part_in"]

# CloudEvents 1.0.2, section 3.3: extension attributes stand beside the others.
LOAD_ATTRIBUTES = ("loadid", "loadchunk")
# The chunk of an event that names none: the whole load.
WHOLE = 0
_LONGEST = 255
_DIGITS = re.compile(r"0*([1-9][0-9]{0,9})", re.ASCII)
_LAST_CHUNK = 2**31 - 1
# The decimal numbers from 1 to the last chunk, without zeros in front.
_CHUNKS = (
    "[1-9][0-9]{0,8}|1[0-9]{9}|20[0-9]{8}|21[0-3][0-9]{7}|214[0-6][0-9]{6}|2147[0-3][0-9]{5}|21474[0-7][0-9]{4}|"
    "214748[0-2][0-9]{3}|2147483[0-5][0-9]{2}|21474836[0-3][0-9]|214748364[0-7]"
)


class LoadPart(NamedTuple):
    """A full load and the number of one of its chunks; `WHOLE` where the load has no chunks."""

    load_id: str
    chunk: int


def load_part(document: Mapping[str, Any]) -> LoadPart | None:
    """Return the part that an event's attributes name, None if they name no load. Raises `Refused`."""
    load_id, chunk = document.get("loadid"), document.get("loadchunk")
    if type(load_id) is str and type(chunk) is str:
        # Thousands of events in a row name the same part.
        return _part(load_id, chunk)
    if load_id is None:
        if chunk is not None:
            raise Refused(Reason.MISSING_FIELD, "/loadid", "is required beside loadchunk")
        return None
    if not isinstance(load_id, str):
        raise Refused(Reason.WRONG_TYPE, "/loadid", "must be a JSON string")
    if isinstance(chunk, bool) or not isinstance(chunk, str | int | None):
        raise Refused(Reason.WRONG_TYPE, "/loadchunk", "must be a JSON string of digits")
    return _part(load_id, chunk)


def load_attributes() -> dict[str, JsonSchema]:
    """Return the schemas of the two attributes of a change event."""
    load_id = {"type": "string", "minLength": 1, "maxLength": _LONGEST, "pattern": NO_NUL}
    digits = {"type": "string", "pattern": one_line(f"^0*({_CHUNKS})$")}
    number = {"type": "integer", "minimum": 1, "maximum": _LAST_CHUNK}
    return {
        "loadid": {
            "description": "The full load that the event belongs to.",
            "anyOf": [load_id, {"type": "null"}],
        },
        "loadchunk": {
            "description": "The chunk of the load in loadid, in digits; without it, the load has no chunks.",
            "anyOf": [digits, number, {"type": "null"}],
        },
    }


def part_in(attributes: Mapping[str, Any]) -> LoadPart | None:
    """Return the part that the attributes of a refused event name; None if they name none that can be read."""
    try:
        return load_part(attributes)
    except Refused:
        return None


@lru_cache(maxsize=256)
def _part(load_id: str, chunk: str | int | None) -> LoadPart:
    if not load_id:
        raise Refused(Reason.TOO_SHORT, "/loadid", "must not be empty")
    if len(load_id) > _LONGEST:
        raise Refused(Reason.TOO_LONG, "/loadid", f"must have at most {_LONGEST} characters")
    if "\0" in load_id:
        raise Refused(Reason.NUL_CHARACTER, "/loadid", "must not hold the NUL character")
    return LoadPart(load_id, WHOLE if chunk is None else _number(chunk))


def _number(chunk: str | int) -> int:
    match = _DIGITS.fullmatch(str(chunk))
    if match is None or int(match[1]) > _LAST_CHUNK:
        raise Refused(Reason.WRONG_VALUE, "/loadchunk", f"must be the number of a chunk: digits, 1 to {_LAST_CHUNK}")
    return int(match[1])
