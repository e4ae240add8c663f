"""What became of each delivery of a batch, one by one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rules.outcomes import Outcome, Plan, Rejected
from schemas.events import ChangeEvent

__all__ = ["outcome_of_each"]


def outcome_of_each(
    batch: Sequence[ChangeEvent | Rejected], plan: Plan, applied: Iterable[ChangeEvent]
) -> list[Outcome]:
    """The outcomes in the batch's order; `applied` are the events of `plan.apply` that are newer than their rows."""
    # By identity: an equal event that comes twice is applied once.
    winners = {id(event) for event in applied}
    outcomes = []
    for item in batch:
        if isinstance(item, Rejected):
            outcomes.append(Outcome.QUARANTINED)
        elif plan.tally[item.shop, item.domain, Outcome.DISCARDED]:
            outcomes.append(Outcome.DISCARDED)
        elif id(item) in winners:
            winners.remove(id(item))
            outcomes.append(Outcome.APPLIED)
        else:
            outcomes.append(Outcome.SUPERSEDED)
    return outcomes
