"""How numbers, times and spans are written in a language; no digit is ever lost."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from decimal import Decimal

from babel import Locale
from babel.dates import format_datetime
from babel.numbers import format_decimal

__all__ = ["duration", "indented", "lag", "number", "stamp"]
_PIECES = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_DEEPEST = 60


def number(value: int | float | Decimal, locale: Locale) -> str:
    """A number with its thousands apart; a float is a rate or a share and has one decimal, the others every digit."""
    return format_decimal(
        round(value, 1) if isinstance(value, float) else value, locale=locale, decimal_quantization=False
    )


def lag(seconds: float, locale: Locale) -> str:
    """A time that is short when all is well, as exact as anybody needs it: `12 ms`, `1.4 s`, `2 h 5 min`."""
    if seconds >= 3_600:
        return duration(seconds)
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{number(round(seconds, 1), locale)} s"


def stamp(moment: datetime, locale: Locale) -> str:
    """A moment in UTC, to the second, with its zone; the browser turns it into its own."""
    pattern = "dd/MM/yyyy HH:mm:ss" if locale.language == "pt" else "yyyy-MM-dd HH:mm:ss"
    return f"{format_datetime(moment.astimezone(UTC), pattern, tzinfo=UTC, locale=locale)} UTC"


def duration(seconds: float) -> str:
    """A span in its two largest units: `45 s`, `12 min`, `1 h 5 min`, `3 d 2 h` (the same in both languages)."""
    whole = max(0, int(seconds))
    days, hours, minutes = whole // 86_400, whole % 86_400 // 3_600, whole % 3_600 // 60
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min" if minutes else f"{whole} s"


def indented(text: str) -> str:
    """The text with a member or item a line; as it is, if it is no JSON."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text
    lines: list[str] = []
    depth, line, previous = 0, "", ""
    for piece in _PIECES.findall(text):
        if piece in "}]":
            depth -= 1
            if previous not in ("{", "["):
                lines.append(line)
                line = _margin(depth)
        elif previous in ("{", "[", ","):
            lines.append(line)
            line = _margin(depth)
        line += piece + (" " if piece == ":" else "")
        depth += piece in ("{", "[")
        previous = piece
    return "\n".join([*lines, line])


def _margin(depth: int) -> str:
    return "  " * min(depth, _DEEPEST)
