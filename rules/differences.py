"""Differences of two JSON documents, as lines that people read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["differences"]

_LONGEST_VALUE = 200


def differences(before: Any, after: Any) -> list[str]:
    """Return a line for each value that differs: its path, the value before and the value after."""
    return [f"{path or 'all of it'}: {old} → {new}" for path, old, new in _walk(before, after, "")]


def _walk(before: Any, after: Any, path: str) -> Iterator[tuple[str, str, str]]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in [*before, *(name for name in after if name not in before)]:
            yield from _walk(before.get(name, _Missing), after.get(name, _Missing), f"{path}.{name}" if path else name)
    elif isinstance(before, list) and isinstance(after, list):
        for index in range(max(len(before), len(after))):
            old = before[index] if index < len(before) else _Missing
            new = after[index] if index < len(after) else _Missing
            yield from _walk(old, new, f"{path}[{index + 1}]")
    elif type(before) is not type(after) or before != after:
        yield path, _text(before), _text(after)


class _Missing:
    """The place of a value that is not there."""


def _text(value: Any) -> str:
    if value is _Missing:
        return "–"
    text = str(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
