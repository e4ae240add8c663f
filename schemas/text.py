"""Printable text: control characters replaced."""

from __future__ import annotations

__all__ = ["printable"]


def printable(text: str, *, keep: str = "", replacement: str = "\ufffd") -> str:
    """Return the text with every character that is not printable replaced, except those in `keep`."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in keep else replacement for char in text)
