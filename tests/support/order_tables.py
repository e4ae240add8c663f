"""Orders and ledger of the lifecycle's model as the database has them, and the batches that change them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlalchemy import select

from consumers.delivery import Delivery
from consumers.worker import Worker
from storage.tables import orders
from tests.support.order_steps import BatchSource, Key
from tests.support.pipeline import Pipeline

__all__ = ["OrderTables"]


class OrderTables:
    """Order table of the database, as the model reads it and delivers from it."""

    pipeline: Pipeline
    shops: dict[str, str]
    batch: BatchSource
    worker: Worker
    delivered: int

    def rows(self, *, placed_only: bool = True) -> dict[Key, dict[str, Any]]:
        """Return the orders; one that is only known by its cancellation is no order yet."""
        columns = (orders.c[name] for name in ("shop", "order_id", "state", "attempts", "erp_number", "payload"))
        query = select(*columns, orders.c.cancellation).where(orders.c.shop.in_(self.shops.values()))
        with self.pipeline.database.fence.shared() as connection:
            rows = connection.execute(query).mappings().all()
        return {(row["shop"], row["order_id"]): {**row} for row in rows if row["payload"] or not placed_only}

    def ledger(self) -> Counter[str]:
        totals = self.pipeline.database.views.totals()
        return Counter(totals.get("orders", {})) + Counter(totals.get("receipts", {}))

    def deliver(self, queue: str, body: bytes, key: str) -> None:
        self.batch.append(Delivery(queue, len(self.batch), body, key, False, {}))

    def take_batch(self) -> None:
        """Takes all that was delivered as one batch."""
        number = len(self.batch)
        assert self.worker.step(self.batch) == number
        self.delivered += number
