"""Keys as people write them: a JSON object of the key fields, or their values in the order of the key, 789/1/A."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from schemas.domains import DOMAINS
from schemas.reasons import Refused
from storage.missed import key_values

__all__ = ["KeyUnreadable", "parse_key"]


class KeyUnreadable(ValueError):
    """A text that is no key of its domain; the message says what one looks like."""


def parse_key(domain: str, text: str) -> tuple[Any, ...]:
    """Return the values of a key, fields with a default filled in; raises `KeyUnreadable`."""
    names = DOMAINS[domain].key_fields
    try:
        return key_values(domain, _fields(names, text))
    except Refused as refused:
        field = refused.refusal.pointer.removeprefix("/")
        fault = f"{field}: {refused.refusal.sentence}" if field else refused.refusal.sentence
        raise KeyUnreadable(f"{fault}; the key is {'/'.join(names)}") from None


def _fields(names: Sequence[str], text: str) -> dict[str, Any]:
    if text.lstrip().startswith("{"):
        try:
            fields = orjson.loads(text)
        except ValueError:
            raise KeyUnreadable(f"not JSON; the key is {'/'.join(names)}") from None
        return dict(fields)
    values = text.split("/")
    if len(values) > len(names):
        raise KeyUnreadable(f"the key is {'/'.join(names)}; a value with a / in it needs the JSON form")
    return dict(zip(names, values, strict=False))
