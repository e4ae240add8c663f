"""One thing that was looked at: well, doubtful or wrong, and the way out."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

__all__ = ["Finding", "State", "doubtful", "well", "wrong"]


class State(StrEnum):
    """How something was found."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


class Finding(NamedTuple):
    """What was found in which part; `way_out` says what to do about what is not well."""

    part: str
    state: State
    says: str
    way_out: str = ""


def well(part: str, says: str) -> Finding:
    """Something that is as it should be."""
    return Finding(part, State.OK, says)


def doubtful(part: str, says: str, way_out: str) -> Finding:
    """Something that works, and may be meant."""
    return Finding(part, State.WARNING, says, way_out)


def wrong(part: str, says: str, way_out: str) -> Finding:
    """Something that does not work."""
    return Finding(part, State.WRONG, says, way_out)
