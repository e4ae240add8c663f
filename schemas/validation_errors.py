"""Turns what a parser or pydantic says into one refusal of the closed list."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from schemas.fields import HTTP, NCM, NO_NUL, SHOP_OR_ANY
from schemas.reasons import Reason, Refused
from schemas.text import printable

__all__ = ["json_refused", "validation_refused"]

_MOST_FAULTS = 50
_LONGEST_POINTER = 120
_OUR_CODES = frozenset(reason.value for reason in Reason)

_BY_TYPE: dict[str, tuple[Reason, str]] = {
    "missing": (Reason.MISSING_FIELD, "is required"),
    "extra_forbidden": (Reason.UNKNOWN_FIELD, "is not a field of this message"),
    "string_type": (Reason.WRONG_TYPE, "must be a JSON string"),
    "bool_type": (Reason.WRONG_TYPE, "must be true or false"),
    "int_type": (Reason.WRONG_TYPE, "must be a JSON integer"),
    "list_type": (Reason.WRONG_TYPE, "must be a JSON array"),
    "dict_type": (Reason.WRONG_TYPE, "must be a JSON object"),
    "model_type": (Reason.WRONG_TYPE, "must be a JSON object"),
    "string_too_long": (Reason.TOO_LONG, "must have at most {max_length} characters"),
    "string_too_short": (Reason.TOO_SHORT, "must have at least {min_length} characters"),
    "too_short": (Reason.TOO_SHORT, "must have at least {min_length} items"),
    "too_long": (Reason.TOO_LONG, "must have at most {max_length} items"),
    "literal_error": (Reason.WRONG_VALUE, "must be {expected}"),
    "greater_than_equal": (Reason.WRONG_VALUE, "must be at least {ge}"),
    "less_than_equal": (Reason.WRONG_VALUE, "must be at most {le}"),
}
_BY_PATTERN: dict[str, tuple[Reason, str]] = {
    NO_NUL: (Reason.NUL_CHARACTER, "must not hold the NUL character"),
    HTTP: (Reason.URL_FORMAT, "must be an http or https address"),
    SHOP_OR_ANY: (Reason.WRONG_VALUE, "must be * or a shop id: a-z, 0-9 and -, at most 63 characters"),
    NCM: (Reason.NCM_FORMAT, "must be 8 digits"),
}


def json_refused(error: ValueError) -> Refused:
    """The refusal for text that is not JSON as RFC 8259 has it, or that says a key twice."""
    said = str(error)
    if said.startswith("Detected duplicate key"):
        return Refused(Reason.DUPLICATE_KEY, "", "an object names the same key twice")
    return Refused(Reason.MALFORMED_JSON, "", f"the body is not UTF-8 JSON: {said[:100]}")


def validation_refused(error: ValidationError) -> Refused:
    """The refusal for the first fault that pydantic found, with how many there were."""
    count = error.error_count()
    if count > _MOST_FAULTS:
        return Refused(Reason.TOO_MANY_FAULTS, "", f"the message has {count} faults")
    found = error.errors(include_input=False, include_url=False)
    places = {fault["loc"] for fault in found}
    faults = [fault for fault in found if not (fault["loc"][-1:] == ("plain",) and _branched(fault["loc"], places))]
    reason, sentence = _meaning(faults[0])
    more = len({fault["loc"] for fault in faults}) - 1
    pointer = _pointer(faults[0]["loc"], places)
    return Refused(reason, pointer, sentence + (f" (and {more} more faults)" if more else ""))


def _branched(loc: tuple[Any, ...], places: set[tuple[Any, ...]]) -> bool:
    """Whether a place ends in a branch of our decimals: both fail together, unlike fields of these names."""
    return {(*loc[:-1], "plain"), (*loc[:-1], "exact")} <= places


def _meaning(fault: ErrorDetails) -> tuple[Reason, str]:
    kind, context = fault["type"], fault.get("ctx", {})
    if kind in _OUR_CODES and kind not in _BY_TYPE:
        return Reason(kind), fault["msg"]
    if kind == "string_pattern_mismatch":
        pattern = context["pattern"]
        return _BY_PATTERN.get(pattern, (Reason.WRONG_VALUE, f"must match {pattern}"))
    reason, sentence = _BY_TYPE.get(kind, (Reason.WRONG_VALUE, "has a value that is not allowed here"))
    return reason, sentence.format(**context)


def _pointer(loc: tuple[Any, ...], places: set[tuple[Any, ...]]) -> str:
    parts = loc[:-1] if loc[-1:] == ("[key]",) or _branched(loc, places) else loc
    if len(parts) > 1 and str(parts[0]).startswith("erp."):
        parts = parts[1:]  # The event's type, by which pydantic chose the model.
    pointer = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
    # Names that the sender chose may stand here: they must fit any database and any terminal.
    pointer = printable(pointer)
    return pointer if len(pointer) <= _LONGEST_POINTER else pointer[:_LONGEST_POINTER] + "…"
