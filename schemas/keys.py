"""Key fields: text that no other text can be mistaken for."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from schemas.fields import Column, JsonSchema, fault
from schemas.patterns import one_line
from schemas.reasons import Reason

__all__ = ["KEY_FORMAT", "OPTIONAL_KEY_FORMAT", "Key", "OptionalKey", "is_key"]

KEY_FORMAT = "key"
OPTIONAL_KEY_FORMAT = "optional-key"
_LONGEST = 255
# Control, format and unassigned characters, and lone surrogates (Unicode Standard, table 4-4).
_INVISIBLE = frozenset({"Cc", "Cf", "Cn", "Cs"})
# Nearly all keys pass here, in Rust: printable ASCII without a space at either end.
_PLAIN = r"[!-~](?:[ -~]*[!-~])?"
# Listed, since `\s` and `\p{C}` are not the same in every language. The rest is left to the format.
_CONTROL = r"\x00-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u08e2\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f"
_CONTROL += r"\ufeff\ufff0-\ufffb\ufffe\uffff"
_SPACE = r" \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_VISIBLE = one_line(rf"^([^{_CONTROL}{_SPACE}]([^{_CONTROL}]*[^{_CONTROL}{_SPACE}])?)?$")


def is_key(value: str) -> bool:
    """Return whether a text can be a key: not empty, NFC, visible, and without white space at either end."""
    return _fault_of(value) is None


def _fault_of(value: str) -> str | None:
    if not value:
        return "must not be empty"
    if value != value.strip():
        return "must have no white space at either end"
    if not value.isascii() and not unicodedata.is_normalized("NFC", value):
        return "must be in the Unicode normal form C (NFC)"
    if any(unicodedata.category(char) in _INVISIBLE for char in value):
        return "must hold no control, format or unassigned character"
    return None


@dataclass(frozen=True)
class _KeyText:
    """Validator of a key field: one pattern in Rust, and the whole rule for what does not match it."""

    optional: bool = False

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        pattern = rf"^(?:{_PLAIN})?$" if self.optional else rf"^{_PLAIN}$"
        plain = core_schema.str_schema(pattern=pattern, max_length=_LONGEST, strict=True)
        exact = core_schema.no_info_plain_validator_function(self._check)
        return core_schema.union_schema([(plain, "plain"), (exact, "exact")], mode="left_to_right")

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchema:
        description = "A key in Unicode NFC: no white space at either end, no invisible character."
        schema: JsonSchema = {"type": "string", "description": description, "maxLength": _LONGEST}
        schema["pattern"] = _VISIBLE
        if self.optional:
            return {**schema, "description": f"{description} May be empty.", "format": OPTIONAL_KEY_FORMAT}
        return {**schema, "minLength": 1, "format": KEY_FORMAT}

    def _check(self, value: object) -> str:
        if not isinstance(value, str):
            raise fault(Reason.WRONG_TYPE, "must be a JSON string")
        if "\x00" in value:
            raise fault(Reason.NUL_CHARACTER, "must not hold the NUL character")
        if len(value) > _LONGEST:
            raise fault(Reason.TOO_LONG, f"must have at most {_LONGEST} characters")
        if not (self.optional and not value) and (sentence := _fault_of(value)) is not None:
            raise fault(Reason.KEY_FORMAT, sentence)
        return value


Key = Annotated[str, _KeyText(), Column.TEXT]
OptionalKey = Annotated[str, _KeyText(optional=True), Column.TEXT]
