"""What would become of a batch if it were committed now; nothing is written, and the fence is left alone."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine

from rules.outcomes import Outcome, Rejected, plan_batch
from rules.tracing import outcome_of_each
from schemas.events import ChangeEvent
from storage.entities import newer_than_rows
from storage.errors import translated
from storage.switches import read_switches

__all__ = ["Foresight"]


class Foresight:
    """Decides by the same rules as `Store`, on what the database holds at the moment of asking."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def outcomes(self, batch: Sequence[ChangeEvent | Rejected]) -> list[Outcome]:
        """The outcome of each item, in order; of one key only the newest event of the batch would be applied."""
        with translated(), self._engine.connect() as connection:
            plan = plan_batch(batch, read_switches(connection).stops)
            applied = [
                event for domain, events in plan.apply.items() for event in newer_than_rows(connection, domain, events)
            ]
        return outcome_of_each(batch, plan, applied)
