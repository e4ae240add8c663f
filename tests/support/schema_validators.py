"""Schema validators of the generated schemas, with computed formats asserted by the program's own rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unicodedata import category

from jsonschema import Draft202012Validator, FormatChecker
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from schemas.check_digits import is_cnpj, is_cpf, is_currency, is_gtin
from schemas.fields import Decimals, Time
from schemas.json_schema import event_schemas, message_schemas
from schemas.keys import KEY_FORMAT, OPTIONAL_KEY_FORMAT, is_key

__all__ = ["FORMATS", "SCHEMAS", "schema_accepts", "schema_takes"]

_time: TypeAdapter[Any] = TypeAdapter(Time)


def _is_time(value: str) -> bool:
    try:
        _time.validate_python(value)
    except ValidationError:
        return False
    return True


def _fits(digits: Decimals) -> Callable[[str], bool]:
    def fits(value: str) -> bool:
        try:
            digits.normalise(value)
        except PydanticCustomError:
            return False
        return True

    return fits


def _bare(value: str) -> str:
    # Python's own classes of characters, not the list that the program goes by.
    kept = (each for each in value if not (each.isspace() or each in "./\u2212" or category(each) in {"Pd", "Cf"}))
    return "".join(kept).upper()


FORMATS: dict[str, Callable[[str], bool]] = {
    "cnpj": is_cnpj,
    "cnpj-masked": lambda value: is_cnpj(_bare(value)),
    "cpf": is_cpf,
    "cpf-masked": lambda value: is_cpf(_bare(value)),
    "date-time": _is_time,
    "decimal-11-10": _fits(Decimals(11, 10)),
    "decimal-11-4": _fits(Decimals(11, 4)),
    "gtin": is_gtin,
    KEY_FORMAT: is_key,
    OPTIONAL_KEY_FORMAT: lambda value: not value or is_key(value),
    "iso4217": is_currency,
}


def _checker() -> FormatChecker:
    checker = FormatChecker(formats=())
    for name, predicate in FORMATS.items():
        # A format says nothing of what is no string.
        checker.checks(name)(lambda value, is_right=predicate: not isinstance(value, str) or is_right(value))
    return checker


SCHEMAS = {**event_schemas(), **message_schemas()}
_VALIDATORS = {name: Draft202012Validator(schema, format_checker=_checker()) for name, schema in SCHEMAS.items()}


def schema_takes(schema: dict[str, Any], instance: object) -> bool:
    """Whether a schema that need not be one of ours now takes a value."""
    return bool(Draft202012Validator(schema, format_checker=_checker()).is_valid(instance))


def schema_accepts(name: str, instance: object) -> bool:
    """Return whether a schema takes a value."""
    return bool(_VALIDATORS[name].is_valid(instance))
