"""Dry run: the outcomes that events and orders would have on the present rows, without a write."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Engine

from rules.outcomes import Outcome, RejectedDelivery, outcome_per_item, plan_batch
from schemas.events import ChangeEvent
from schemas.orders import ReceivedOrder
from storage.entities import newer_than_rows
from storage.errors import translated
from storage.order_store import OrderKey, read_digests
from storage.switches import read_switches

__all__ = ["DryItem", "DryRun"]
DryItem = ChangeEvent | ReceivedOrder | RejectedDelivery


class DryRun:
    """Outcomes by the rules of `EventStore` and `OrderStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def outcomes(self, batch: Sequence[DryItem]) -> list[Outcome]:
        """Return the outcome of each item, in order; of one key only the newest event of the batch would be applied."""
        changes = [item for item in batch if not isinstance(item, ReceivedOrder)]
        orders = [item for item in batch if isinstance(item, ReceivedOrder)]
        with translated(), self._engine.connect() as connection:
            of_changes = iter(_outcomes_of_changes(connection, changes))
            of_orders = iter(_outcomes_of_orders(connection, orders) if orders else ())
        return [next(of_orders if isinstance(item, ReceivedOrder) else of_changes) for item in batch]


def _outcomes_of_changes(connection: Connection, batch: Sequence[ChangeEvent | RejectedDelivery]) -> list[Outcome]:
    plan = plan_batch(batch, read_switches(connection).stops)
    applied = [event for domain, events in plan.apply.items() for event in newer_than_rows(connection, domain, events)]
    return outcome_per_item(batch, plan, applied)


def _outcomes_of_orders(connection: Connection, batch: Sequence[ReceivedOrder]) -> list[Outcome]:
    known: dict[OrderKey, str | None] = read_digests(connection, {(order.shop, order.order_id) for order in batch})
    outcomes = []
    for order in batch:
        key = (order.shop, order.order_id)
        outcome = Outcome.APPLIED if key not in known else Outcome.SUPERSEDED
        if known.setdefault(key, order.digest) != order.digest:
            outcome = Outcome.QUARANTINED
        outcomes.append(outcome)
    return outcomes
