"""Cost estimate of a pause, from the traffic of the last hour."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

__all__ = ["ENOUGH_MINUTES", "Basis", "Cost", "estimate_cost", "sum_costs"]

# From a shorter basis the estimate is no better than a guess.
ENOUGH_MINUTES = 15.0


class Basis(NamedTuple):
    """Traffic between two moments: readable change events and new orders."""

    since: datetime
    until: datetime
    changes: int
    orders: int

    @property
    def minutes(self) -> float:
        """Return the length in minutes."""
        return max((self.until - self.since).total_seconds() / 60, 0.0)


class Cost(NamedTuple):
    """Estimated number of changes that a pause would discard and of orders that it would hold.

    `enough` is true if the basis is long enough for an estimate.
    """

    changes: int
    orders: int
    basis: Basis
    enough: bool


def estimate_cost(basis: Basis, minutes: float) -> Cost:
    """Return the cost of a pause of so many minutes at the rate of the basis."""
    # At least a minute: the rate of a ledger that began seconds ago would be noise.
    share = minutes / max(basis.minutes, 1.0)
    return Cost(
        round(basis.changes * share), round(basis.orders * share), basis, enough=basis.minutes >= ENOUGH_MINUTES
    )


def sum_costs(costs: Sequence[Cost]) -> Cost:
    """Return the cost of several shops together; it is known well enough if that of each is."""
    first = costs[0]
    basis = first.basis._replace(
        changes=sum(cost.basis.changes for cost in costs),
        orders=sum(cost.basis.orders for cost in costs),
    )
    return first._replace(
        changes=sum(cost.changes for cost in costs),
        orders=sum(cost.orders for cost in costs),
        enough=all(cost.enough for cost in costs),
        basis=basis,
    )
