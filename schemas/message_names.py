"""Names of a refused event: its id, sequence and key, as far as they can be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from schemas.binary import amqp_attributes
from schemas.domains import DOMAINS
from schemas.reasons import Refused

__all__ = ["MessageNames", "read_names"]

# Names come back to whoever sent them: as much as tells one from the other.
_LONGEST = 300
# A refused body can be of any size; no event within the limit of the contract is bigger.
_MOST_BYTES = 1024 * 1024


class MessageNames(NamedTuple):
    """Id, sequence and key fields of an event; None where they can't be read."""

    id: str | None = None
    sequence: str | None = None
    key: dict[str, Any] | None = None


def read_names(domain: str, body: bytes, headers: Mapping[str, Any]) -> MessageNames:
    """Read the names of an event that was refused, whatever else is wrong with it."""
    document = _load(body)
    attributes = _attributes(headers)
    if attributes is None:
        attributes, data = document, document.get("data")
    else:
        data = document
    fields = data if isinstance(data, dict) else {}
    names = DOMAINS[domain].key_fields if domain in DOMAINS else ()
    key = {name: _text(fields[name]) for name in names if name in fields}
    return MessageNames(_text(attributes.get("id")), _text(attributes.get("sequence")), key or None)


def _load(body: bytes) -> dict[str, Any]:
    if len(body) > _MOST_BYTES:
        return {}
    try:
        document = orjson.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _attributes(headers: Mapping[str, Any]) -> Mapping[str, Any] | None:
    try:
        return amqp_attributes(headers)
    except Refused:
        return None


def _text(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return str(value).replace("\x00", "\ufffd")[:_LONGEST]
