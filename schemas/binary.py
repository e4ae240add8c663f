"""CloudEvents in binary mode: the attributes in headers, the data in the body, over AMQP and HTTP.

Source: CloudEvents AMQP Protocol Binding 1.0.2, section 3.1, and HTTP Protocol Binding 1.0.2, section 3.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from schemas.reasons import Reason, Refused

__all__ = ["amqp_attributes", "http_attributes"]

_AMQP_NAME = re.compile(r"(?:cloudEvents[:_]|ce[-_])([a-z0-9]+)", re.IGNORECASE | re.ASCII)
_HTTP_NAME = re.compile(r"ce-([a-z0-9]+)", re.IGNORECASE | re.ASCII)
_MODE = "specversion"


def amqp_attributes(headers: Mapping[str, Any]) -> dict[str, str] | None:
    """Return the attributes in a message's headers, or None if it is not in binary mode.

    Their names begin with `cloudEvents_`, `cloudEvents:` or, as over HTTP, `ce-`. Raises `Refused` if an attribute
    is unreadable.
    """
    return _attributes(headers, _AMQP_NAME, _amqp_text)


def http_attributes(headers: Mapping[str, str]) -> dict[str, str] | None:
    """Return the percent-decoded attributes in a request's `ce-` headers, or None if it is not in binary mode."""
    return _attributes(headers, _HTTP_NAME, lambda _name, value: unquote(value, errors="replace"))


def _attributes(headers: Mapping[str, Any], names: re.Pattern[str], decode: Any) -> dict[str, str] | None:
    values = {match[1].lower(): value for name, value in headers.items() if (match := names.fullmatch(name))}
    if _MODE not in values:
        return None
    return {name: decode(name, value) for name, value in values.items()}


def _amqp_text(name: str, value: object) -> str:
    if isinstance(value, datetime):
        zoned = value if value.tzinfo else value.replace(tzinfo=UTC)
        return zoned.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise Refused(Reason.BINARY_ATTRIBUTE, f"/{name}", "the header must be text, a whole number or a time")
