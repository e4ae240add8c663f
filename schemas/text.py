"""Printable and storable text: characters that would do harm replaced."""

from __future__ import annotations

__all__ = ["printable", "storable"]


def printable(text: str, *, keep: str = "", replacement: str = "\ufffd") -> str:
    """Return the text with every character that is not printable replaced, except those in `keep`."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in keep else replacement for char in text)


def storable(text: str) -> str:
    """Return the text with NUL characters and surrogates replaced, which no database stores."""
    return text.replace("\x00", "\ufffd").encode(errors="replace").decode()
