"""Warnings: the closed list of codes for what is taken, but perhaps not meant."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["WARNINGS_PAGE", "EventWarning", "WarningCode"]

WARNINGS_PAGE = "/docs/warnings"


class WarningCode(StrEnum):
    """A stable code that programs may rely on; the value never changes its meaning.

    `schemas/warning_docs.py` has the description and the remedy of each.
    """

    UNKNOWN_FIELD = "unknown_field"
    MISSPELT_FIELD = "misspelt_field"
    TIME_BEHIND = "time_behind"
    TIME_IN_FUTURE = "time_in_future"
    FAR_SUPERSEDED = "far_superseded"
    PRICE_TINY = "price_tiny"
    LIST_PRICE_LOW = "list_price_low"
    WINDOW_OVER = "window_over"
    GROSS_BELOW_NET = "gross_below_net"
    TEXT_DAMAGED = "text_damaged"

    @property
    def doc(self) -> str:
        """Return the link to the explanation: a page of this repository, and the heading on it."""
        return f"{WARNINGS_PAGE}#{self.value}"


@dataclass(frozen=True, slots=True)
class EventWarning:
    """A warning about a message: a code, a JSON pointer (RFC 6901) and one sentence that repeats no value.

    It never changes an outcome.
    """

    code: WarningCode
    pointer: str
    sentence: str

    def as_json(self) -> dict[str, str]:
        """Return the warning in its form for programs."""
        return {
            "code": self.code.value, "pointer": self.pointer, "sentence": self.sentence, "doc": self.code.doc
        }  # fmt: skip

    def __str__(self) -> str:
        place = f" at {self.pointer}" if self.pointer else ""
        return f"{self.code}{place}: {self.sentence}"
