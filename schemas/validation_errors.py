"""Validation errors of pydantic and the JSON parser, translated into one refusal of the closed list."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from schemas.patterns import HTTP, NCM, NO_NUL, NOT_BLANK, SHOP_OR_ANY
from schemas.reasons import Reason, Refused
from schemas.text import printable

__all__ = ["document_refused", "json_refused", "member_pointer", "other_fault", "validation_refused"]

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
    NOT_BLANK: (Reason.TOO_SHORT, "must not be only white space"),
    HTTP: (Reason.URL_FORMAT, "must be an http or https address"),
    SHOP_OR_ANY: (Reason.WRONG_VALUE, "must be * or a shop id: a-z, 0-9 and -, at most 63 characters"),
    NCM: (Reason.NCM_FORMAT, "must be 8 digits"),
}


# The first bytes of what is not JSON in UTF-8, by which its kind is known.
_COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"\x78\x01": "zlib",
    b"\x78\x9c": "zlib",
    b"\x78\xda": "zlib",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def json_refused(error: ValueError, body: bytes) -> Refused:
    """Return the refusal for a body that is not JSON (RFC 8259), or that has a duplicate key."""
    text = str(error)
    for start, name in _COMPRESSED.items():
        if body.startswith(start):
            return Refused(Reason.COMPRESSED, "", f"the body is compressed ({name}): send plain JSON")
    if body.startswith(_BYTE_ORDER_MARK):
        return Refused(Reason.MALFORMED_JSON, "", "the body begins with a byte order mark: send UTF-8 without it")
    if body.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in body[:2]:
        return Refused(Reason.MALFORMED_JSON, "", "the body is UTF-16 or UTF-32: send UTF-8")
    if text.startswith("Detected duplicate key"):
        return Refused(Reason.DUPLICATE_KEY, "", "an object names the same key twice")
    return Refused(Reason.MALFORMED_JSON, "", f"the body is not UTF-8 JSON: {text[:100]}")


def document_refused(document: Any, error: ValidationError) -> Refused:
    """Return the refusal of an event, where pydantic's first fault would not tell what is wrong with it."""
    if isinstance(document, dict) and "data_base64" in document and "data" not in document:
        return Refused(Reason.DATA_BASE64, "/data_base64", "the data must be a JSON object in data, not base64")
    return validation_refused(error)


def validation_refused(error: ValidationError) -> Refused:
    """Return the refusal for the first fault that pydantic found, with the number of further ones."""
    count = error.error_count()
    if count > _MOST_FAULTS:
        return Refused(Reason.TOO_MANY_FAULTS, "", f"the message has {count} faults")
    faults, locations = _faults(error)
    reason, sentence = _reason(faults[0])
    more = len({fault["loc"] for fault in faults}) - 1
    pointer = _pointer(faults[0]["loc"], locations)
    return Refused(
        reason, pointer, sentence + (f" (and {more} more {'fault' if more == 1 else 'faults'})" if more else "")
    )


def other_fault(error: ValidationError, known: Collection[Reason]) -> Refused | None:
    """Return the refusal for the first fault with a reason beside those `known`, or None if there is none."""
    faults, locations = _faults(error)
    for fault in faults:
        reason, sentence = _reason(fault)
        if reason not in known:
            return Refused(reason, _pointer(fault["loc"], locations), sentence)
    return None


def _faults(error: ValidationError) -> tuple[list[ErrorDetails], set[tuple[Any, ...]]]:
    errors = error.errors(include_input=False, include_url=False)
    locations = {fault["loc"] for fault in errors}
    # Of the two errors of a decimal, the one of the branch `exact` has the code.
    return [
        fault for fault in errors if not (fault["loc"][-1:] == ("plain",) and _is_branch(fault["loc"], locations))
    ], locations


def _is_branch(loc: tuple[Any, ...], locations: set[tuple[Any, ...]]) -> bool:
    """Return whether a location ends in a branch of `Decimals`: both fail together, unlike fields of these names."""
    return {(*loc[:-1], "plain"), (*loc[:-1], "exact")} <= locations


def _reason(fault: ErrorDetails) -> tuple[Reason, str]:
    kind, context = fault["type"], fault.get("ctx", {})
    # Some codes are types of pydantic too: those of ours bring their sentence.
    if "sentence" in context or (kind in _OUR_CODES and kind not in _BY_TYPE):
        return Reason(kind), fault["msg"]
    if kind == "string_pattern_mismatch":
        pattern = context["pattern"]
        return _BY_PATTERN.get(pattern, (Reason.WRONG_VALUE, f"must match {pattern}"))
    if kind in {"string_too_short", "too_short"} and context.get("min_length") == 1:
        return Reason.TOO_SHORT, "must not be empty"
    reason, sentence = _BY_TYPE.get(kind, (Reason.WRONG_VALUE, "has a value that is not allowed here"))
    return reason, sentence.format(**context)


def _pointer(loc: tuple[Any, ...], locations: set[tuple[Any, ...]]) -> str:
    parts = loc[:-1] if loc[-1:] == ("[key]",) or _is_branch(loc, locations) else loc
    if len(parts) > 1 and str(parts[0]).startswith("erp."):
        parts = parts[1:]  # The event's type, by which pydantic selected the model.
    pointer = "".join("/" + _member(part) for part in parts)
    return pointer if len(pointer) <= _LONGEST_POINTER else pointer[:_LONGEST_POINTER] + "…"


def member_pointer(name: str) -> str:
    """Return an object's member as a part of a JSON pointer (RFC 6901), cut where it is too long."""
    part = _member(name)
    return part if len(part) <= _LONGEST_POINTER else part[:_LONGEST_POINTER] + "…"


def _member(part: object) -> str:
    # The sender chooses some of these names: they must be safe for any database and any terminal.
    return printable(str(part).replace("~", "~0").replace("/", "~1"))
