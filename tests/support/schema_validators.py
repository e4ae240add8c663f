"""Schema validators of the generated schemas, with computed formats asserted by the program's own rules."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from unicodedata import category

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from schemas.check_digits import is_cnpj, is_cpf, is_currency, is_gtin
from schemas.fields import Decimals, Time
from schemas.json_schema import event_schemas, message_schemas
from schemas.keys import KEY_FORMAT, OPTIONAL_KEY_FORMAT, is_key

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

__all__ = ["FORMATS", "SCHEMAS", "check_schema", "find_errors", "schema_accepts", "schema_takes"]

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


SCHEMAS = {**event_schemas(), **message_schemas()}


def check_schema(schema: dict[str, Any]) -> None:
    """Raise `jsonschema.SchemaError` for what is no schema."""
    _draft().check_schema(schema)


def find_errors(schema: dict[str, Any], instance: object) -> list[object]:
    """Return what a schema finds wrong with a value, formats left alone."""
    return list(_draft()(schema).iter_errors(instance))


def schema_takes(schema: dict[str, Any], instance: object) -> bool:
    """Whether a schema that need not be one of ours now takes a value."""
    return bool(_validator(schema).is_valid(instance))


def schema_accepts(name: str, instance: object) -> bool:
    """Return whether a schema takes a value."""
    return bool(_named_validator(name).is_valid(instance))


@functools.cache
def _named_validator(name: str) -> Draft202012Validator:
    return _validator(SCHEMAS[name])


def _validator(schema: dict[str, Any]) -> Draft202012Validator:
    from jsonschema import FormatChecker

    checker = FormatChecker(formats=())
    for name, predicate in FORMATS.items():
        # A format says nothing of what is no string.
        checker.checks(name)(lambda value, is_right=predicate: not isinstance(value, str) or is_right(value))
    return _draft()(schema, format_checker=checker)


def _draft() -> type[Draft202012Validator]:
    # Two seconds, for grammars of addresses: only for who validates, not for everybody who collects the tests.
    from jsonschema import Draft202012Validator

    return Draft202012Validator
