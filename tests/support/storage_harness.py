"""Storage on a migrated database: the parts that write change events and read them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from control.switchboard import Switchboard
from rules.outcomes import Outcome, RejectedDelivery
from schemas.control import Announcement, Command, ControlMessage, Reply
from schemas.events import ChangeEvent, parse_event
from schemas.reasons import Refusal
from storage.engine import open_engine
from storage.entity_tables import ENTITY_TABLES
from storage.event_store import EventStore, Reject
from storage.fence import Fence, fence_for
from storage.views import Views
from tests.support.event_samples import sample_event

__all__ = ["StorageHarness", "reject_event_at", "stock_change"]


class StorageHarness:
    """Database with the event store, the switchboard and the views."""

    def __init__(self, url: str) -> None:
        self.engine = open_engine(url)
        self.fence: Fence = fence_for(self.engine)
        self.announced: list[Announcement] = []
        self.switchboard = Switchboard(self.fence, self.announced.append)
        self.store = EventStore(self.fence, self.switchboard, "w1")
        self.views = Views(self.engine, timedelta(minutes=15))

    def commit(self, *events: ChangeEvent) -> dict[Outcome, int]:
        tally = self.store.commit(events, reject_event_at(events)).tally
        return {outcome: n for outcome in Outcome if (n := sum(c for (_, _, o), c in tally.items() if o is outcome))}

    def change(self, action: Any, message_id: str | None = None, **fields: Any) -> Reply:
        message = ControlMessage.model_validate({"reason": "test", **fields})
        return self.switchboard.change(Command(action, message, "amqp", message_id=message_id))

    def rows(self, domain: str = "stock") -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(select(ENTITY_TABLES[domain])).mappings())


def reject_event_at(batch: Sequence[ChangeEvent | RejectedDelivery]) -> Reject:
    """What stands for the deliveries of a batch: an event that is refused, as a message of few bytes."""

    def reject(position: int, refusal: Refusal) -> RejectedDelivery:
        event = batch[position]
        assert isinstance(event, ChangeEvent)
        key = f"{event.shop}.{event.domain}"
        return RejectedDelivery(event.shop, event.domain, refusal, event.event_id.encode(), key, "", {}, False)

    return reject


def stock_change(
    version: int, key: str = "P1", *, shop: str = "main", action: str = "changed", **envelope: Any
) -> ChangeEvent:
    body = sample_event("stock", action=action, envelope={"sequence": str(version), **envelope}, product_code=key)
    return parse_event("stock", shop, body)
