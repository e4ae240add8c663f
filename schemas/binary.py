"""CloudEvents in binary mode: the attributes in headers, the data in the body, over AMQP and HTTP.

Source: CloudEvents AMQP Protocol Binding 1.0.2, section 3.1, and HTTP Protocol Binding 1.0.2, section 3.1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from schemas.events import Envelope
from schemas.load_parts import LOAD_ATTRIBUTES
from schemas.reasons import Reason, Refused

__all__ = ["amqp_attributes", "http_attributes", "names_in_octets"]

_AMQP_NAME = re.compile(r"(?:cloudEvents[:_]|ce[-_])([a-z0-9]+)", re.IGNORECASE | re.ASCII)
_AMQP_PREFIX = re.compile(rb"cloudEvents[:_]|ce[-_]", re.IGNORECASE)
_HTTP_NAME = re.compile(r"ce-([a-z0-9]+)", re.IGNORECASE | re.ASCII)
_MODE = "specversion"
# A header of an attribute that nobody reads may hold anything.
_READ = frozenset((*Envelope.model_fields, *LOAD_ATTRIBUTES))


class _Undecodable(ValueError):
    pass


def amqp_attributes(headers: Mapping[Any, Any], unreadable: Iterable[str] = ()) -> dict[str, str] | None:
    """Return the attributes in a message's headers, or None if it is not in binary mode.

    Their names begin with `cloudEvents_`, `cloudEvents:` or, as over HTTP, `ce-`; null means that one is not set.
    `unreadable` are the names of headers whose values can't be read. Raises `Refused` if an attribute that Comporta
    reads is among them, or is neither text, a boolean, a whole number nor a time.
    """
    lost = {match[1].lower() for name in unreadable if (match := _AMQP_NAME.fullmatch(name))} & _READ
    return _attributes(headers, _AMQP_NAME, _amqp_text, lost)


def http_attributes(headers: Mapping[str, str]) -> dict[str, str] | None:
    """Return the percent-decoded attributes in a request's `ce-` headers, or None if it is not in binary mode."""
    return _attributes(headers, _HTTP_NAME, lambda value: unquote(value, errors="replace"))


def names_in_octets(table: bytes) -> list[str]:
    """Return the names that may be those of attributes in the octets of a header table that can't be read."""
    starts = [match.start() for match in _AMQP_PREFIX.finditer(table) if match.start()]
    # The octet before a name is its length.
    return [table[start : start + table[start - 1]].decode("ascii", "replace") for start in starts]


def _attributes(
    headers: Mapping[Any, Any], names: re.Pattern[str], decode: Callable[[Any], str], lost: Iterable[str] = ()
) -> dict[str, str] | None:
    values = {
        match[1].lower(): value
        for name, value in headers.items()
        # The name of a header need not be text.
        if value is not None and isinstance(name, str) and (match := names.fullmatch(name))
    }
    if _MODE not in values and _MODE not in lost:
        return None
    for name in sorted(lost):
        raise Refused(Reason.BINARY_ATTRIBUTE, f"/{name}", "the header can't be read: times must be in seconds")
    attributes = {}
    for name, value in values.items():
        try:
            attributes[name] = decode(value)
        except _Undecodable as error:
            if name in _READ:
                raise Refused(Reason.BINARY_ATTRIBUTE, f"/{name}", str(error)) from None
    return attributes


def _amqp_text(value: object) -> str:
    if isinstance(value, datetime):
        zoned = value if value.tzinfo else value.replace(tzinfo=UTC)
        return zoned.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise _Undecodable("the header must be UTF-8") from None
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    raise _Undecodable("the header must be text, a boolean, a whole number or a time")
