"""Event store: commits a batch with its entities, missed keys, quarantine and ledger in one fenced transaction."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine

from rules.outcomes import Outcome, Plan, RejectedDelivery, Tally, outcome_per_item, plan_batch
from rules.unknown_fields import FieldCounts, count_fields
from schemas.events import ChangeEvent
from storage.entities import (
    apply_and_return,
    apply_events,
    clear_missed,
    newer_than_rows,
    record_missed,
    stored_versions,
)
from storage.errors import translated
from storage.fence import Fence
from storage.ledger import add_shops, add_tally, count_received
from storage.quarantine import add_rejected
from storage.switches import BatchState, EndsExpired, read_for_batch, read_switches
from storage.tail import record_outcomes
from storage.unknown_fields import UnknownFieldCounts

__all__ = ["Committed", "DryRun", "EventStore"]


@dataclass(frozen=True, slots=True)
class Committed:
    """The result of a batch: its outcomes, the epoch of the switches that decided it, and the quarantined items.

    `unknown` counts the fields that were ignored.
    """

    tally: Tally
    epoch: int
    rejected: Sequence[RejectedDelivery] = ()
    unknown: FieldCounts = field(default_factory=dict)


class EventStore:
    """The batches of one worker."""

    def __init__(self, fence: Fence, switchboard: EndsExpired, worker: str) -> None:
        self._fence = fence
        self._switchboard = switchboard
        self._worker = worker
        self._shops: set[str] = set()
        self._unknown_fields = UnknownFieldCounts()

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
                    unknown = self._count_unknown(connection, plan, state)
                    if state.watched:
                        results = outcome_per_item(batch, plan, applied)
                        record_outcomes(connection, self._worker, batch, results, state.switches.now)
            if not state.switches.expired:
                self._shops |= new
                return Committed(plan.tally, state.switches.epoch, plan.quarantine, unknown)
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

    def _count_unknown(self, connection: Connection, plan: Plan, state: BatchState) -> FieldCounts:
        # Last: all workers write these rows, and hold them only until the commit that follows.
        if not plan.unknown:
            return {}
        counts = count_fields((event.shop, event.domain, event.unknown) for event in plan.unknown)
        return self._unknown_fields.add(connection, counts, state.switches.now)

    def _new_shops(self, plan: Plan) -> set[str]:
        # Only events that passed the checks make a shop known: an invalid message may carry any name.
        return {shop for shop, _, outcome in plan.tally if outcome is not Outcome.QUARANTINED} - self._shops


def _count_applied(plan: Plan, domain: str, by_shop: Mapping[str, int]) -> None:
    for shop, count in by_shop.items():
        plan.tally[shop, domain, Outcome.APPLIED] += count
        plan.tally[shop, domain, Outcome.SUPERSEDED] -= count


class DryRun:
    """Outcomes by the rules of `EventStore` on the present rows, without a write."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def outcomes(self, batch: Sequence[ChangeEvent | RejectedDelivery]) -> list[Outcome]:
        """Return the outcome of each item, in order; of one key only the newest event of the batch would be applied."""
        with translated(), self._engine.connect() as connection:
            plan = plan_batch(batch, read_switches(connection).stops)
            applied = [
                event for domain, events in plan.apply.items() for event in newer_than_rows(connection, domain, events)
            ]
        return outcome_per_item(batch, plan, applied)

    def stored_versions(self, events: Sequence[ChangeEvent]) -> list[int | None]:
        """Return the version of each event's row, in order; None where there is no row, or only an older one."""
        versions: list[int | None] = [None] * len(events)
        by_domain: defaultdict[str, list[int]] = defaultdict(list)
        for position, event in enumerate(events):
            by_domain[event.domain].append(position)
        with translated(), self._engine.connect() as connection:
            for domain, positions in by_domain.items():
                found = stored_versions(connection, domain, [events[position] for position in positions])
                for index, version in found.items():
                    versions[positions[index]] = version
        return versions
