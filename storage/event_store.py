"""Event store: commits a batch with its entities, missed keys, quarantine and ledger in one fenced transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from rules.outcomes import Outcome, Plan, RejectedDelivery, Tally, outcome_per_item, plan_batch
from schemas.events import ChangeEvent
from storage.entities import apply_and_return, apply_events, clear_missed, record_missed
from storage.fence import Fence
from storage.ledger import add_shops, add_tally, count_received
from storage.quarantine import add_rejected
from storage.switches import BatchState, EndsExpired, read_for_batch
from storage.tail import record_outcomes

__all__ = ["Committed", "EventStore"]


@dataclass(frozen=True, slots=True)
class Committed:
    """The result of a batch: its outcomes, the epoch of the switches that decided it, and the quarantined items."""

    tally: Tally
    epoch: int
    rejected: Sequence[RejectedDelivery] = ()


class EventStore:
    """The batches of one worker."""

    def __init__(self, fence: Fence, switchboard: EndsExpired, worker: str) -> None:
        self._fence = fence
        self._switchboard = switchboard
        self._worker = worker
        self._shops: set[str] = set()

    def commit(self, batch: Sequence[ChangeEvent | RejectedDelivery]) -> Committed:
        """Decide and write a batch; when this returns, every outcome is committed.

        Raises `RowRefused` (nothing is written, a row is at fault) or `Unavailable` (the result is unknown).
        """
        received_counts = count_received(batch)
        while True:
            with self._fence.shared() as connection:
                state = read_for_batch(connection)
                if not state.switches.expired:
                    plan = plan_batch(batch, state.switches.stops)
                    new = self._new_shops(plan)
                    applied = self._write(connection, received_counts, plan, state, new)
                    if state.watched:
                        results = outcome_per_item(batch, plan, applied)
                        record_outcomes(connection, self._worker, batch, results, state.switches.now)
            if not state.switches.expired:
                self._shops |= new
                return Committed(plan.tally, state.switches.epoch, plan.quarantine)
            # A pause has expired: it is ended inside the fence, so that no two batches see it differently.
            self._switchboard.end_expired()

    def _write(
        self, connection: Connection, received_counts: Counter[str], plan: Plan, state: BatchState, new: set[str]
    ) -> list[ChangeEvent]:
        """Write the plan; return the applied events, or none without a watcher."""
        now = state.switches.now
        applied: list[ChangeEvent] = []
        if new:
            add_shops(connection, new, now)
        for domain, events in plan.apply.items():
            if state.watched:
                newer = apply_and_return(connection, domain, events, now)
                applied += newer
                _count_applied(plan, domain, Counter(event.shop for event in newer))
            else:
                _count_applied(plan, domain, apply_events(connection, domain, events, now))
            if domain in state.missed:
                clear_missed(connection, domain, events)
        for domain, events in plan.discard.items():
            record_missed(connection, domain, events, now)
        if plan.quarantine:
            add_rejected(connection, self._worker, plan.quarantine, now)
        add_tally(connection, self._worker, received_counts, plan.tally, now)
        return applied

    def _new_shops(self, plan: Plan) -> set[str]:
        # Only events that passed the checks make a shop known: an invalid message may carry any name.
        return {shop for shop, _, outcome in plan.tally if outcome is not Outcome.QUARANTINED} - self._shops


def _count_applied(plan: Plan, domain: str, by_shop: Mapping[str, int]) -> None:
    for shop, count in by_shop.items():
        plan.tally[shop, domain, Outcome.APPLIED] += count
        plan.tally[shop, domain, Outcome.SUPERSEDED] -= count
