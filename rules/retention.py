"""Retention: how long each kind of row is kept, and the size of a step that stays short."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

__all__ = ["KINDS", "Retention", "next_size"]

# What can be deleted, in the order in which it is.
KINDS = ("quarantine", "repairs", "audit", "orders", "tombstones", "history")
_SMALLEST, _LARGEST = 10, 2_000
_SHORT, _LONG = 0.002, 0.005


@dataclass(frozen=True, slots=True)
class Retention:
    """The age at which minutes of the ledger become hours and hours days, and that of rows to delete (None: never).

    The history has no age: all of it goes once no versions are kept any more.
    """

    ledger_minutes: timedelta | None = timedelta(days=2)
    ledger_hours: timedelta | None = timedelta(days=60)
    quarantine: timedelta | None = None
    repairs: timedelta | None = None
    audit: timedelta | None = None
    orders: timedelta | None = None
    tombstones: timedelta | None = None
    history: timedelta | None = None

    def age(self, kind: str) -> timedelta | None:
        """Return the age at which rows of a kind are deleted; None if they are kept."""
        age: timedelta | None = getattr(self, kind)
        return age


def next_size(size: int, seconds: float) -> int:
    """Return the number of rows for the next step, by the time that the last one held the fence."""
    if seconds > _LONG:
        return max(_SMALLEST, size // 2)
    return min(_LARGEST, size * 2) if seconds < _SHORT else size
