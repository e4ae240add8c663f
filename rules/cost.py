"""What switching off would cost, told from what the last hour brought."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

__all__ = ["ENOUGH_MINUTES", "Basis", "Cost", "estimate_cost"]

# From less than this one could as well guess.
ENOUGH_MINUTES = 15.0


class Basis(NamedTuple):
    """What came in between two moments: change events that could be read, and new orders."""

    since: datetime
    until: datetime
    changes: int
    orders: int

    @property
    def minutes(self) -> float:
        """How long that was."""
        return max((self.until - self.since).total_seconds() / 60, 0.0)


class Cost(NamedTuple):
    """About how many changes a pause would discard and how many orders it would hold.

    `enough` says whether the basis is long enough to tell.
    """

    changes: int
    orders: int
    basis: Basis
    enough: bool


def estimate_cost(basis: Basis, minutes: float) -> Cost:
    """What so many minutes would cost if they brought what the basis did."""
    # Of a ledger that began a moment ago: a rate by the second would be noise.
    share = minutes / max(basis.minutes, 1.0)
    return Cost(
        round(basis.changes * share), round(basis.orders * share), basis, enough=basis.minutes >= ENOUGH_MINUTES
    )
