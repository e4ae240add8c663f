"""Durations as people write them: 30m, 2h, 1h30m."""

from __future__ import annotations

import re
from datetime import timedelta

import typer
from pytimeparse import parse

__all__ = ["duration_of"]

# pytimeparse takes more: 1:30 for 90 seconds, negative numbers.
_DURATION = re.compile(r"(\s*[0-9]+\s*[a-z]+)+\s*", re.IGNORECASE)


def duration_of(option: str, text: str) -> timedelta:
    """The duration that an option names; ends the command if it is none."""
    seconds = parse(text) if _DURATION.fullmatch(text) else None
    if not seconds:
        raise typer.BadParameter(f"{option}: {text!r} is not a duration; say 30m, 2h or 1h30m")
    try:
        return timedelta(seconds=seconds)
    except OverflowError:
        raise typer.BadParameter(f"{option}: {text!r} is longer than a calendar lasts") from None
