"""Lays JSON text out in lines without reading its values: every digit stays as it was sent."""

from __future__ import annotations

import json
import re

__all__ = ["indented"]

_PIECES = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_DEEPEST = 60


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
