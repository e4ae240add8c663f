"""Number, time and duration formats of a language; decimals keep every digit."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache

from babel import Locale
from babel.dates import format_datetime
from babel.numbers import format_decimal

from schemas.text import duration

__all__ = ["amount", "duration", "indented", "lag", "number", "size", "stamp"]

_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_DECIMAL = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?")
_MAX_DEPTH = 60


def number(value: int | float | Decimal, locale: Locale) -> str:
    """Format a number with thousands separators; a float (a rate or share) has one decimal, other types every digit."""
    if type(value) is int:
        return _whole(value, locale)
    return format_decimal(
        round(value, 1) if isinstance(value, float) else value, locale=locale, decimal_quantization=False
    )


# A page formats the same few numbers again and again. Not decimals: 1.0 and 1.00 are equal, but not written so.
@lru_cache(4_096)
def _whole(value: int, locale: Locale) -> str:
    return format_decimal(value, locale=locale, decimal_quantization=False)


def amount(value: object, locale: Locale) -> str:
    """Format the text of a decimal number of the contract; other values as they are."""
    text = str(value)
    return number(Decimal(text), locale) if _DECIMAL.fullmatch(text) else text


def lag(seconds: float, locale: Locale) -> str:
    """Format a lag in seconds: `12 ms`, `1.4 s`, `2 h 5 min`."""
    if seconds >= 3_600:
        return duration(seconds)
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{number(round(seconds, 1), locale)} s"


def size(count: int, locale: Locale) -> str:
    """Format the size of a message: `0.3 kB`, `1.2 MB`; what is smaller than a tenth of a kB counts as one."""
    if count >= 1_000_000:
        return f"{number(count / 1_000_000, locale)} MB"
    return f"{number(max(count / 1_000, 0.1) if count else 0.0, locale)} kB"


def stamp(moment: datetime, locale: Locale) -> str:
    """Format a moment in UTC, to the second, with its zone; the page's script converts it to the browser's zone."""
    pattern = "dd/MM/yyyy HH:mm:ss" if locale.language == "pt" else "yyyy-MM-dd HH:mm:ss"
    return f"{format_datetime(moment.astimezone(UTC), pattern, tzinfo=UTC, locale=locale)} UTC"


def indented(text: str) -> str:
    """Return JSON indented, with one member or item per line, digits unchanged; other text unchanged."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text
    lines: list[str] = []
    depth, line, previous = 0, "", ""
    for token in _TOKENS.findall(text):
        if token in "}]":
            depth -= 1
            if previous not in ("{", "["):
                lines.append(line)
                line = _margin(depth)
        elif previous in ("{", "[", ","):
            lines.append(line)
            line = _margin(depth)
        line += token + (" " if token == ":" else "")
        depth += token in ("{", "[")
        previous = token
    return "\n".join([*lines, line])


def _margin(depth: int) -> str:
    return "  " * min(depth, _MAX_DEPTH)
