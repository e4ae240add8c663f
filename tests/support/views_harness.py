"""Views on a migrated database, and ways to fill it fast."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Table

from rules.outcomes import RejectedDelivery
from schemas.domains import DOMAIN_NAMES
from schemas.events import ChangeEvent, parse_event
from schemas.reasons import Reason, Refusal
from schemas.topology import QUEUES
from storage.health_tables import queues
from storage.order_store import OrderStore
from storage.queues import QueueReadings
from storage.tables import orders, workers
from storage.workers import WorkerRegistry
from tests.support.event_samples import sample_event as body_of
from tests.support.order_events import decoded_order, placed
from tests.support.sent_statements import sent_statements
from tests.support.storage_harness import StorageHarness

__all__ = ["START", "ViewsHarness", "change_event", "rejected_delivery"]

START = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)


def change_event(domain: str, *, shop: str = "main", version: int = 1, **data: Any) -> ChangeEvent:
    """Make a change event of a domain, with these fields replaced."""
    return parse_event(domain, shop, body_of(domain, envelope={"sequence": str(version)}, **data))


def rejected_delivery(
    body: bytes = b"{}", *, shop: str = "main", domain: str = "stock", reason: Reason = Reason.NO_VERSION
) -> RejectedDelivery:
    """Make a delivery that must be quarantined."""
    key = f"{shop}.{domain}"
    return RejectedDelivery(shop, domain, Refusal(reason, "/x", "no"), body, key, "application/json", {}, False)


class ViewsHarness(StorageHarness):
    """Database with events, orders and views."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.orders = OrderStore(self.fence, "w1")

    def accept_orders(self, *ids: str, shop: str = "main", **data: Any) -> None:
        """Accept orders, each placed a second after the one before."""
        for number, order_id in enumerate(ids):
            at = (START + timedelta(seconds=number)).isoformat()
            self.orders.commit([decoded_order(placed(order_id, **{"placed_at": at, **data}), shop)])

    def set_order(self, order_id: str, **values: Any) -> None:
        """Write an order's columns, as time and the ERP would."""
        with self.fence.shared() as connection:
            connection.execute(orders.update().where(orders.c.order_id == order_id).values(values))

    def discard(self, *keys: str, shop: str = "main") -> None:
        """Discard a stock event of each key, one batch each."""
        self.change("pause", shop=shop, domains=["stock"], new_shop=True)
        for key in keys:
            self.store.commit([change_event("stock", shop=shop, product_code=key)])
        self.change("resume", shop=shop, domains=["stock"])

    def consume(self, ready: int = 0, consumers: int | None = 1, lag: float | None = None) -> None:
        """Record a living worker for every domain, and a reading of the queues with so many messages and consumers."""
        lags = {} if lag is None else dict.fromkeys(DOMAIN_NAMES, lag)
        WorkerRegistry(self.fence, "w1", DOMAIN_NAMES, lambda: lags).beat()
        QueueReadings(self.fence).record(dict.fromkeys(QUEUES, (ready, consumers)))

    def stop_consuming(self, seconds: float = 90.0, ready: int = 2) -> None:
        """Record that the workers and the consumers of every queue have been gone for so long."""
        self.consume()
        ago = datetime.now(UTC) - timedelta(seconds=seconds)
        with self.fence.shared() as connection:
            connection.execute(workers.update().values(last_seen=ago))
            connection.execute(queues.update().values(checked_at=ago, consumed_at=ago))
        QueueReadings(self.fence).record(dict.fromkeys(QUEUES, (ready, 0)))

    def fill(self, table: Table, rows: Iterator[dict[str, Any]] | list[dict[str, Any]]) -> None:
        """Write rows as they are."""
        with self.fence.shared() as connection:
            connection.execute(table.insert(), list(rows))

    def statements(self) -> AbstractContextManager[list[str]]:
        """Collect the statements sent to the database inside the block."""
        return sent_statements(self.engine)
