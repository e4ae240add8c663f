"""Printable and storable text: characters that would do harm replaced; and durations in words."""

from __future__ import annotations

__all__ = ["duration", "printable", "storable"]


def printable(text: str, *, keep: str = "", replacement: str = "\ufffd") -> str:
    """Return the text with every character that is not printable replaced, except those in `keep`."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in keep else replacement for char in text)


def storable(text: str) -> str:
    """Return the text with NUL characters and surrogates replaced, which no database stores."""
    return text.replace("\x00", "\ufffd").encode(errors="replace").decode()


def duration(seconds: float) -> str:
    """Format seconds in the two largest units: `45 s`, `12 min`, `1 h 5 min`, `3 d 2 h` (same in both languages)."""
    whole = max(0, int(seconds))
    days, hours, minutes = whole // 86_400, whole % 86_400 // 3_600, whole % 3_600 // 60
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min" if minutes else f"{whole} s"
