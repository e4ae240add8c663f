"""Canonical form of an entity: its fields as JSON by RFC 8785, and the SHA-256 of that text (docs/digest.md)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import orjson
from pydantic import BaseModel

from schemas.domains import DOMAINS
from schemas.fields import Column, canonical_decimal

__all__ = ["canonical_json", "canonical_key", "entity_digest", "utc_text"]

_NUMBERS = frozenset({Column.QUANTITY, Column.MONEY})


def utc_text(value: datetime) -> str:
    """Format a time as RFC 3339 in UTC with six decimals: fixed width, so that text order is time order."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def canonical_json(domain: str, values: Mapping[str, Any]) -> bytes:
    """Return the canonical JSON of an entity, from an event's data or from the columns of a row.

    A field that is null is left out, as one that is absent.
    """
    return orjson.dumps(_members(_sorted_columns(domain), values))


def canonical_key(domain: str, values: Mapping[str, Any]) -> bytes:
    """Return the canonical JSON of the key fields alone."""
    return orjson.dumps(_members(_sorted_key(domain), values))


def entity_digest(canonical: bytes) -> bytes:
    """Return the digest of an entity's canonical JSON."""
    return hashlib.sha256(canonical).digest()


def _members(columns: tuple[tuple[str, Column], ...], values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value(kind, value) for name, kind in columns if (value := values[name]) is not None}


@cache
def _sorted_columns(domain: str) -> tuple[tuple[str, Column], ...]:
    # The names of fields are ASCII: their order by UTF-16 code units is that of Python's texts.
    return tuple(sorted(DOMAINS[domain].columns.items()))


@cache
def _sorted_key(domain: str) -> tuple[tuple[str, Column], ...]:
    return tuple(pair for pair in _sorted_columns(domain) if pair[0] in DOMAINS[domain].key_fields)


def _value(kind: Column, value: Any) -> Any:
    if kind in _NUMBERS:
        return canonical_decimal(str(value) if isinstance(value, Decimal) else value)
    if kind is Column.TIME:
        return utc_text(value)
    return _json(value) if kind is Column.JSON else value


def _json(value: Any) -> Any:
    if isinstance(value, BaseModel):
        value = value.__dict__
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return {name: _json(value[name]) for name in names if value[name] is not None}
    return [_json(item) for item in value] if isinstance(value, list) else value
