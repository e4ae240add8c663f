"""Findings, one a check: ok, a warning or an error, with the remedy."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple, Self

__all__ = ["Finding", "State"]


class State(StrEnum):
    """Result of a check."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


class Finding(NamedTuple):
    """Result of one check of a part; `way_out` is the remedy for what is not ok."""

    part: str
    state: State
    says: str
    way_out: str = ""

    @classmethod
    def ok(cls, part: str, says: str) -> Self:
        """Report a part that works."""
        return cls(part, State.OK, says)

    @classmethod
    def warning(cls, part: str, says: str, way_out: str) -> Self:
        """Report something that works and may be a mistake."""
        return cls(part, State.WARNING, says, way_out)

    @classmethod
    def error(cls, part: str, says: str, way_out: str) -> Self:
        """Report something that does not work."""
        return cls(part, State.WRONG, says, way_out)
