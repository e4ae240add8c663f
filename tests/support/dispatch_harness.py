"""Order dispatcher in a thread of its own, with the orders that it has to deliver."""

from __future__ import annotations

import threading
from typing import Any

from producers.erp import ErpGateway
from producers.order_dispatcher import OrderDispatcher
from rules.orders import ORDER_ATTEMPTS
from storage.order_queue import OrderQueue
from storage.order_store import OrderStore
from tests.support.order_events import decoded_order, placed
from tests.support.pipeline import Pipeline
from tests.support.wait import wait_until

__all__ = ["DispatchHarness"]


class DispatchHarness:
    """Dispatcher in a thread of its own, and the store of the orders it has to deliver."""

    def __init__(self, pipeline: Pipeline, erp: ErpGateway, attempts: int = ORDER_ATTEMPTS) -> None:
        self.pipeline = pipeline
        queue = OrderQueue(pipeline.database.fence, pipeline.switchboard)
        self.dispatcher = OrderDispatcher(queue, erp, pipeline.stop, attempts=attempts)
        self.orders = OrderStore(pipeline.database.fence, "w1", self.dispatcher.wake.set)
        self._thread = threading.Thread(target=self.dispatcher.run, daemon=True)
        self._thread.start()

    def place(self, *ids: str, shop: str = "main") -> None:
        self.orders.commit([decoded_order(placed(order_id), shop) for order_id in ids])

    def wait_state(self, state: str, order_id: str = "O1", shop: str = "main") -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            order = self.pipeline.database.views.order(shop, order_id)
            return order if order and order["state"] == state else None

        found = wait_until(look, what=f"{order_id} to be {state}")
        assert found is not None
        return found

    def close(self) -> None:
        self.pipeline.stop.set()
        self._thread.join(15)
        assert not self._thread.is_alive()
