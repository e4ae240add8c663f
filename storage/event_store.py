"""Event store: commits a batch with its entities, missed keys, quarantine and ledger in one fenced transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import Connection

from rules.outcomes import (
    Outcome,
    Plan,
    RejectedDelivery,
    SortedBatch,
    Tally,
    outcome_per_item,
    plan_batch,
    sort_batch,
)
from rules.shops import OPEN, UNKNOWN_SHOP, ShopRules, split_refused
from rules.switches import Scope
from rules.unknown_fields import FieldCounts, count_fields
from rules.versions import DEFAULT_CLOCK_AHEAD, VersionRules, first_kinds, latest_version
from schemas.events import ChangeEvent
from schemas.full_load import LoadMessage
from schemas.reasons import Refusal
from storage.changes import record_changes, written_events
from storage.entities import apply_and_return, apply_events
from storage.errors import ContentChanged
from storage.feeds import decide_feeds
from storage.fence import Fence
from storage.history import record_history
from storage.ledger import add_tally, count_received
from storage.load_recorder import load_work, record_loads
from storage.missed_rows import clear_missed, record_missed
from storage.quarantine import add_rejected
from storage.repeats import take_repeats
from storage.shops import ShopMemory, add_shops
from storage.switches import BatchState, EndsExpired, missed_domains, read_for_batch
from storage.tail import record_outcomes
from storage.unknown_fields import UnknownFieldCounts

__all__ = ["Batch", "Committed", "EventStore", "Reject"]

Batch = Sequence[ChangeEvent | LoadMessage | RejectedDelivery]
# The rejected delivery of the item at a position of the batch, whole.
Reject = Callable[[int, Refusal], RejectedDelivery]


@dataclass(frozen=True, slots=True)
class Committed:
    """The result of a batch: its outcomes, the epoch of the switches that decided it, and the quarantined items.

    `unknown` counts the fields that were ignored.
    """

    tally: Tally
    epoch: int
    rejected: Sequence[RejectedDelivery] = ()
    unknown: FieldCounts = field(default_factory=dict)


def _no_delivery(_position: int, refusal: Refusal) -> RejectedDelivery:
    raise ValueError(f"an event without its delivery can't be quarantined: {refusal}")


class EventStore:
    """The batches of one worker.

    `clock_ahead` bounds the times that serve as versions; `shop_rules` decide about shops that are not known.
    `on_load` is called after the commit of a batch that leaves something to settle of a full load. `history` is the
    number of versions that are kept of each key.
    """

    def __init__(
        self,
        fence: Fence,
        switchboard: EndsExpired,
        worker: str,
        clock_ahead: timedelta = DEFAULT_CLOCK_AHEAD,
        shop_rules: ShopRules = OPEN,
        on_load: Callable[[], None] = lambda: None,
        history: int = 0,
    ) -> None:
        self._fence = fence
        self._switchboard = switchboard
        self._worker = worker
        self._clock_ahead = clock_ahead
        self._shops = ShopMemory(shop_rules)
        self._on_load = on_load
        self._history = history
        self._feeds: dict[Scope, bool] = {}
        self._feeds_generation = 0
        self._unknown_fields = UnknownFieldCounts()

    def commit(self, batch: Batch, reject: Reject = _no_delivery) -> Committed:
        """Decide and write a batch; when this returns, every outcome is committed.

        `reject` gives the delivery of an event that only the transaction can refuse, by the event's position.
        Raises `RowRefused` (nothing is written, a row is at fault) or `Unavailable` (the result is unknown).
        """
        received_counts = count_received(batch)
        sorted_batch = sort_batch(batch)
        compare = False
        while True:
            try:
                committed = self._try(batch, sorted_batch, received_counts, reject, compare=compare)
            except ContentChanged:
                # Rare, so that only then the batch is compared with its rows beforehand.
                if compare:
                    raise
                compare = True
                continue
            if committed is not None:
                return committed
            # A pause has expired, or a planned one is due: it is ended or begun inside the fence, so that no two
            # batches see it differently.
            self._switchboard.end_expired()

    def _try(
        self,
        batch: Batch,
        sorted_batch: SortedBatch,
        received_counts: Counter[str],
        reject: Reject,
        *,
        compare: bool,
    ) -> Committed | None:
        """Commit the batch, or return None if a pause has to be ended or begun first."""
        with self._fence.shared() as connection:
            state = read_for_batch(connection)
            if state.switches.overdue:
                return None
            self._forget_removed(state)
            admission = self._shops.admit(connection, sorted_batch.shops)
            admitted, strangers = split_refused(sorted_batch, admission.refused)
            rules, decided = self._version_rules(connection, batch, admitted, state)
            plan = plan_batch(admitted, state.switches.stops, rules)
            plan.refuse_strangers(strangers, UNKNOWN_SHOP)
            if compare or plan.contradicted:
                take_repeats(connection, plan)
            new_shops = _accepted(plan, admission.new)
            applied = self._write_entities(connection, plan, state, new_shops)
            settles = _record_loads(connection, plan, batch, state, rules)
            _reject_refused(batch, plan, reject)
            self._write_counts(connection, received_counts, plan, state)
            unknown = self._count_unknown(connection, plan, state)
            if state.watched or self._history:
                results = outcome_per_item(batch, plan, applied)
                if state.watched:
                    record_outcomes(connection, self._worker, batch, results, state.switches.now)
                if self._history:
                    record_history(connection, batch, results, state.switches.now, self._history)
            if state.recording:
                # Last of all: every other batch with changes waits from here until the commit.
                record_changes(connection, applied, state.switches.now)
        self._shops.learn(admission.known | new_shops)
        self._feeds.update(decided)
        if settles:
            self._on_load()
        return Committed(plan.tally, state.switches.epoch, plan.quarantine, unknown)

    def _forget_removed(self, state: BatchState) -> None:
        """Forget feeds and shops, if an operator has reset a feed or removed a shop since the last batch."""
        if state.feeds != self._feeds_generation:
            self._feeds, self._feeds_generation = {}, state.feeds
            self._shops.forget()

    def _version_rules(
        self, connection: Connection, batch: Batch, sorted_batch: SortedBatch, state: BatchState
    ) -> tuple[VersionRules, dict[Scope, bool]]:
        """Return the version rules for the batch, and the kinds of the feeds that this worker has not seen before."""
        latest = latest_version(state.switches.now, self._clock_ahead)
        first = first_kinds(batch, sorted_batch.feeds, self._feeds, latest)
        if not first:
            return VersionRules(self._feeds, latest), {}
        decided = decide_feeds(connection, first, state.switches.now)
        return VersionRules(self._feeds | decided, latest), decided

    def _write_entities(
        self, connection: Connection, plan: Plan, state: BatchState, new: frozenset[str]
    ) -> list[ChangeEvent]:
        """Write the plan's events; return the applied ones, or none if neither a watcher nor the feed needs them."""
        now = state.switches.now
        applied: list[ChangeEvent] = []
        add_shops(connection, new, now)
        repaired = missed_domains(connection, plan.apply) if state.missed and plan.apply else frozenset()
        for domain, events in plan.apply.items():
            if state.watched or self._history:
                newer = apply_and_return(connection, domain, events, now)
                applied += newer
                _count_applied(plan, domain, Counter(event.shop for event in newer))
            else:
                counts = apply_events(connection, domain, events, now)
                _count_applied(plan, domain, counts)
                if state.recording:
                    applied += written_events(connection, domain, events, sum(counts.values()), now)
            if domain in repaired:
                clear_missed(connection, domain, events, narrow=state.narrow)
        for domain, events in plan.discard.items():
            record_missed(connection, domain, events, now, state.changed_at, narrow=state.narrow)
        return applied

    def _write_counts(
        self, connection: Connection, received_counts: Counter[str], plan: Plan, state: BatchState
    ) -> None:
        now = state.switches.now
        if plan.quarantine:
            add_rejected(connection, self._worker, plan.quarantine, now)
        add_tally(connection, self._worker, received_counts, plan.tally, now)

    def _count_unknown(self, connection: Connection, plan: Plan, state: BatchState) -> FieldCounts:
        # Last: all workers write these rows, and hold them only until the commit that follows.
        if not plan.unknown:
            return {}
        counts = count_fields((event.shop, event.domain, event.unknown) for event in plan.unknown)
        return self._unknown_fields.add(connection, counts, state.switches.now)


def _accepted(plan: Plan, new: frozenset[str]) -> frozenset[str]:
    # Only events that passed the checks make a shop known: an invalid message may carry any name.
    return new and new & {shop for shop, _, outcome in plan.tally if outcome is not Outcome.QUARANTINED}


def _record_loads(connection: Connection, plan: Plan, batch: Batch, state: BatchState, rules: VersionRules) -> bool:
    """Record what the batch says of full loads; return whether there is something to settle."""
    work = load_work(plan, batch)
    if not work:
        return False
    record = record_loads(connection, work, state.switches.now, rules.latest)
    plan.refuse(record.refused)
    for message in plan.messages:
        if (outcome := record.outcomes.get(id(message))) is not None:
            plan.tally[message.shop, message.domain, outcome] += 1
            plan.message_outcomes[id(message)] = outcome
    return record.progress


def _reject_refused(batch: Batch, plan: Plan, reject: Reject) -> None:
    if plan.refused:
        positions = {id(item): position for position, item in enumerate(batch)}
        plan.quarantine.extend(reject(positions[id(event)], refusal) for event, refusal in plan.refused)


def _count_applied(plan: Plan, domain: str, by_shop: Mapping[str, int]) -> None:
    for shop, count in by_shop.items():
        plan.tally[shop, domain, Outcome.APPLIED] += count
        plan.tally[shop, domain, Outcome.SUPERSEDED] -= count
