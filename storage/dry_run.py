"""Dry run: the outcomes that events, orders and cancellations would have on the present rows, without a write."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import Connection, Engine

from rules.cancellations import cancel
from rules.orders import NOT_PLACED
from rules.outcomes import Outcome, RejectedDelivery, outcome_per_item, plan_batch, sort_batch
from rules.shops import OPEN, UNKNOWN_SHOP, ShopRules, split_refused
from rules.switches import Scope
from rules.versions import DEFAULT_CLOCK_AHEAD, VersionRules, first_kinds, latest_version
from schemas.events import ChangeEvent
from schemas.full_load import LoadMessage
from schemas.order_news import Cancellation
from schemas.orders import ORDER_CHANGED, ReceivedOrder
from schemas.reasons import Refusal
from storage.dialect import database_now
from storage.entities import newer_than_rows, stored_versions
from storage.errors import translated
from storage.event_store import Batch
from storage.feeds import read_feeds
from storage.order_rows import OrderKey, peek_orders
from storage.repeats import take_repeats
from storage.shops import ShopMemory
from storage.switches import read_switches

__all__ = ["DryItem", "DryRun", "Prediction"]

_FromShop = ReceivedOrder | Cancellation
DryItem = ChangeEvent | LoadMessage | _FromShop | RejectedDelivery


class Prediction(NamedTuple):
    """The outcome that an item would have, with the refusal that only the database's state would cause."""

    outcome: Outcome
    refusal: Refusal | None = None


class DryRun:
    """Outcomes by the rules of `EventStore` and `OrderStore` on the present rows, without a write."""

    def __init__(
        self, engine: Engine, clock_ahead: timedelta = DEFAULT_CLOCK_AHEAD, shop_rules: ShopRules = OPEN
    ) -> None:
        self._engine = engine
        self._clock_ahead = clock_ahead
        self._shop_rules = shop_rules

    def outcomes(self, batch: Sequence[DryItem]) -> list[Outcome]:
        """Return the outcome of each item, in order; of one key only the newest event of the batch would be applied."""
        return [prediction.outcome for prediction in self.predict(batch)]

    def predict(self, batch: Sequence[DryItem], decided: dict[Scope, bool] | None = None) -> list[Prediction]:
        """Return the outcome of each item, with its refusal if any.

        `decided` holds the kinds of version that earlier batches would have decided; this one's are added.
        """
        changes = [item for item in batch if not isinstance(item, _FromShop)]
        from_shop = [item for item in batch if isinstance(item, _FromShop)]
        with translated(), self._engine.connect() as connection:
            of_changes = iter(self._changes(connection, changes, decided) if changes or not from_shop else ())
            of_shop = iter(_from_shop(connection, from_shop) if from_shop else ())
        return [next(of_shop if isinstance(item, _FromShop) else of_changes) for item in batch]

    def _changes(self, connection: Connection, batch: Batch, decided: dict[Scope, bool] | None) -> list[Prediction]:
        sorted_batch = sort_batch(batch)
        switches = read_switches(connection)
        latest = latest_version(switches.now, self._clock_ahead)
        admission = ShopMemory(self._shop_rules).admit(connection, sorted_batch.shops, dry_run=True)
        admitted, strangers = split_refused(sorted_batch, admission.refused)
        known = read_feeds(connection, {(shop, domain) for domain, shop, _ in admitted.feeds})
        kinds = (decided or {}) | known
        first = first_kinds(batch, admitted.feeds, kinds, latest)
        plan = plan_batch(admitted, switches.stops, VersionRules(kinds | first, latest))
        plan.refuse_strangers(strangers, UNKNOWN_SHOP)
        take_repeats(connection, plan)
        applied = [
            event for domain, events in plan.apply.items() for event in newer_than_rows(connection, domain, events)
        ]
        if decided is not None:
            decided.update(first)
        refusals = {id(event): refusal for event, refusal in plan.refused}
        return [
            Prediction(outcome, refusals.get(id(item)))
            for item, outcome in zip(batch, outcome_per_item(batch, plan, applied), strict=True)
        ]

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


def _from_shop(connection: Connection, batch: Sequence[_FromShop]) -> list[Prediction]:
    now = database_now(connection)
    known = peek_orders(connection, {(item.shop, item.order_id) for item in batch})
    digests = {key: record.digest for key, record in known.items() if record.digest != NOT_PLACED}
    cancelled: set[OrderKey] = set()
    predictions = []
    for item in batch:
        key = (item.shop, item.order_id)
        if isinstance(item, ReceivedOrder):
            outcome = Outcome.SUPERSEDED if key in digests else Outcome.APPLIED
            if digests.setdefault(key, item.digest) != item.digest:
                predictions.append(Prediction(Outcome.QUARANTINED, ORDER_CHANGED))
                continue
        else:
            record = known.get(key)
            counts = key not in cancelled and (record is None or cancel(record, item, now) is not None)
            outcome = Outcome.APPLIED if counts else Outcome.SUPERSEDED
            cancelled.add(key)
        predictions.append(Prediction(outcome))
    return predictions
