"""Field types of messages: validated in Rust where possible, and refused with a code of the closed list."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from schemas.check_digits import is_cnpj, is_cpf, is_currency, is_gtin
from schemas.patterns import HTTP, NCM, NO_NUL, NOT_BLANK, RFC3339, RFC3339_NEAR, RFC3339_RANGES, SHOP_OR_ANY, one_line
from schemas.reasons import Reason

__all__ = [
    "CNPJ_SCHEMA",
    "CPF_SCHEMA",
    "GTIN_SCHEMA",
    "Column",
    "Currency",
    "Decimals",
    "Gtin",
    "Id",
    "JsonSchema",
    "KeyQuantity",
    "Message",
    "Money",
    "MoneyFromZero",
    "Name",
    "Ncm",
    "Position",
    "PositiveMoney",
    "PositiveQuantity",
    "Quantity",
    "QuantityFromZero",
    "ShopOrAny",
    "StopAtFirst",
    "Text",
    "Time",
    "Url",
    "canonical_decimal",
    "check_cnpj",
    "check_cpf",
    "fault",
]

JsonSchema = dict[str, Any]
_DECIMAL = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]{1,20}))?", re.ASCII)
# In UTC, as stored; many ERPs write the last moment of 9999 for "no end".
_FIRST, _LAST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)


class Column(StrEnum):
    """Column type that a field is stored in."""

    TEXT = "text"
    QUANTITY = "quantity"
    MONEY = "money"
    TIME = "time"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    JSON = "json"


class Message(BaseModel):
    """A frozen, strict model; unknown fields are ignored here and counted by the parser.

    Its validator is made at its first use: no command needs them all, and they take longer than a command's work.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", defer_build=True)


def fault(reason: Reason, sentence: str) -> PydanticCustomError:
    """Return an error for a validator to raise, with a code of the closed list."""
    return PydanticCustomError(reason.value, "{sentence}", {"sentence": sentence})


def canonical_decimal(text: str) -> str:
    """Return the shortest plain notation of a decimal text: `1.5` for `1.50` and `15e-1`."""
    plain = format(Decimal(text), "f")
    plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
    return "0" if plain in {"-0", ""} else plain


@dataclass(frozen=True)
class Decimals:
    """A decimal in a JSON string of at most `whole` and `places` digits; `below_zero` is the refusal of negatives."""

    whole: int
    places: int
    positive: bool = False
    below_zero: Reason | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        sign = "" if self.below_zero else "-?"
        plain = core_schema.str_schema(
            pattern=rf"^{sign}(0|[1-9][0-9]{{0,{self.whole - 1}}})(\.[0-9]{{1,{self.places}}})?$", strict=True
        )
        exact = core_schema.no_info_plain_validator_function(self.normalise)
        union = core_schema.union_schema([(plain, "plain"), (exact, "exact")], mode="left_to_right")
        if not self.positive:
            return union
        return core_schema.no_info_after_validator_function(_positive, union)

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchema:
        least, words = self._least
        size = f"at most {self.whole} integer and {self.places} decimal digits"
        # One pattern and no `anyOf`, of which code generators make types that no text fits. How far an exponent moves
        # the point no pattern can count: that is left to the format.
        plain, scientific = (
            rf"0*[0-9]{{1,{self.whole}}}(\.[0-9]{{1,{self.places}}})?",
            r"[0-9]+(\.[0-9]+)?[eE][+-]?[0-9]{1,20}",
        )
        return {
            "type": "string",
            "description": f"A number in a string, {size}{words}.",
            "pattern": one_line(f"^{least}-?({plain}|{scientific})$"),
            "format": self.format,
        }

    @property
    def _least(self) -> tuple[str, str]:
        """Return the condition, before the pattern, and the words for the least number."""
        if self.positive:
            return "(?=[0.]*[1-9])", ", above zero"
        return ("(?=[0-9]|-[0.]+([eE]|$))", ", at least zero") if self.below_zero else ("", "")

    @property
    def format(self) -> str:
        """Return the `format` of these digits in JSON Schema."""
        return f"decimal-{self.whole}-{self.places}"

    def normalise(self, value: object) -> str:
        """Return the plain notation of a decimal. Raises `fault` if it is no decimal text or has too many digits."""
        if isinstance(value, int | float) and not isinstance(value, bool):
            raise fault(Reason.NUMBER_NOT_STRING, "must be a JSON string: a JSON number loses digits")
        if not isinstance(value, str):
            raise fault(Reason.WRONG_TYPE, "must be a JSON string holding a decimal number")
        match = _DECIMAL.fullmatch(value)
        if match is None:
            raise fault(Reason.NUMBER_FORMAT, "must be a decimal number such as 12.5 (no NaN, no infinity, ASCII)")
        _, whole, places, exponent = match.groups(default="")
        shift = int(exponent or 0)
        significant = (whole + places).lstrip("0")
        if significant and len(significant) - len(places) + shift > self.whole:
            raise fault(Reason.NUMBER_RANGE, f"must have at most {self.whole} integer digits")
        if len(places) - shift > self.places:
            raise fault(Reason.NUMBER_RANGE, f"must have at most {self.places} decimal digits")
        if self.below_zero and significant and value.startswith("-"):
            raise fault(self.below_zero, "must not be less than zero")
        return format(Decimal(value), "f") if significant else "0"


def _positive(value: str) -> str:
    if value.startswith("-") or not value.strip("0."):
        raise fault(Reason.NOT_POSITIVE, "must be greater than zero")
    return value


class _NotBlank:
    """A text that says something: neither empty nor only white space."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        readable = core_schema.str_schema(pattern=NO_NUL, min_length=1, strict=True)
        return core_schema.chain_schema([readable, core_schema.str_schema(pattern=NOT_BLANK)])

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchema:
        return {"type": "string", "minLength": 1, "pattern": rf"^[^\x00]*{NOT_BLANK}[^\x00]*$"}


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


class _Rfc3339:
    """RFC 3339 section 5.6 date-time with a zone, parsed to an aware datetime in microseconds."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        moment = core_schema.datetime_schema(tz_constraint="aware", strict=False, ge=_FIRST, le=_LAST)
        near = core_schema.chain_schema([core_schema.str_schema(pattern=RFC3339_NEAR, strict=True), moment])
        # PostgreSQL reads no zone of sixteen hours or more, which RFC 3339 allows.
        far = core_schema.no_info_after_validator_function(
            _in_utc, core_schema.chain_schema([core_schema.str_schema(pattern=RFC3339, strict=True), moment])
        )
        return core_schema.custom_error_schema(
            core_schema.union_schema([near, far], mode="left_to_right"),
            custom_error_type=Reason.TIME_FORMAT.value,
            custom_error_message="must be an RFC 3339 time with a zone, such as 2026-11-23T07:22:51Z",
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchema:
        description = "An RFC 3339 time with a zone."
        schema = {"type": "string", "description": description, "format": "date-time"}
        return {**schema, "pattern": one_line(RFC3339_RANGES)}


@dataclass(frozen=True)
class StopAtFirst:
    """Constraint that stops a list at its first bad item: a million bad items are one fault, not a million."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return cast(CoreSchema, {**handler(source), "fail_fast": True})


def _check(reason: Reason, sentence: str, test: Callable[[str], bool]) -> Callable[[str], str]:
    @lru_cache(maxsize=4096)
    def passes(value: str) -> bool:
        return test(value)

    def validate(value: str) -> str:
        if not passes(value):
            raise fault(reason, sentence)
        return value

    return validate


ShopOrAny = Annotated[
    str,
    StringConstraints(pattern=SHOP_OR_ANY),
    WithJsonSchema({"type": "string", "pattern": one_line(SHOP_OR_ANY)}),
]
Text = Annotated[str, StringConstraints(pattern=NO_NUL), Column.TEXT]
Name = Annotated[str, _NotBlank(), Column.TEXT]
Id = Annotated[str, StringConstraints(pattern=NO_NUL, min_length=1, max_length=255), Column.TEXT]
Quantity = Annotated[str, Decimals(11, 4), Column.QUANTITY]
QuantityFromZero = Annotated[str, Decimals(11, 4, below_zero=Reason.WRONG_VALUE), Column.QUANTITY]
PositiveQuantity = Annotated[str, Decimals(11, 4, positive=True), Column.QUANTITY]
KeyQuantity = Annotated[str, Decimals(11, 4, positive=True), AfterValidator(canonical_decimal), Column.QUANTITY]
Money = Annotated[str, Decimals(11, 10), Column.MONEY]
MoneyFromZero = Annotated[str, Decimals(11, 10, below_zero=Reason.WRONG_VALUE), Column.MONEY]
PositiveMoney = Annotated[str, Decimals(11, 10, positive=True), Column.MONEY]
Time = Annotated[datetime, _Rfc3339, Column.TIME]
Position = Annotated[int, Field(ge=0, le=2**31 - 1), Column.INTEGER]
Url = Annotated[
    str,
    StringConstraints(pattern=HTTP),
    WithJsonSchema({"type": "string", "description": "An http or https address.", "pattern": one_line(HTTP)}),
    Column.TEXT,
]
Ncm = Annotated[
    str,
    StringConstraints(pattern=NCM),
    WithJsonSchema({"type": "string", "description": "An NCM: 8 digits.", "pattern": one_line(NCM)}),
    Column.TEXT,
]

_check_gtin = _check(
    Reason.GTIN_CHECK_DIGIT, "must be 8, 12, 13 or 14 digits with a right check digit, or SEM GTIN", is_gtin
)
_check_currency = _check(Reason.CURRENCY_UNKNOWN, "must be a currency code of ISO 4217, such as BRL", is_currency)
check_cpf = _check(Reason.CPF_CHECK_DIGIT, "must be a CPF: 11 digits with right check digits", is_cpf)
check_cnpj = _check(Reason.CNPJ_CHECK_DIGIT, "must be a CNPJ: 12 digits or capitals and 2 right check digits", is_cnpj)


def _computed(name: str, pattern: str, description: str) -> JsonSchema:
    return {"description": description, "format": name, "pattern": one_line(pattern)}


GTIN_SCHEMA = _computed("gtin", "^([0-9]{8}|[0-9]{12,14}|SEM GTIN)$", "A GTIN with its check digit, or SEM GTIN.")
CPF_SCHEMA = _computed("cpf", "^[0-9]{11}$", "A CPF: 11 digits, the last two computed.")
CNPJ_SCHEMA = _computed("cnpj", "^[0-9A-Z]{12}[0-9]{2}$", "A CNPJ: 12 digits or capitals, 2 computed digits.")
_CURRENCY_SCHEMA = _computed("iso4217", "^[A-Z]{3}$", "A currency of ISO 4217.")

Gtin = Annotated[str, AfterValidator(_check_gtin), WithJsonSchema({"type": "string", **GTIN_SCHEMA}), Column.TEXT]
Currency = Annotated[
    str, AfterValidator(_check_currency), WithJsonSchema({"type": "string", **_CURRENCY_SCHEMA}), Column.TEXT
]
