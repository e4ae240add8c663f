"""Order queue on a migrated database."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rules.orders import ErpResponse, after_attempt
from storage.order_claims import ClaimedOrder
from storage.order_queue import Due, OrderQueue
from storage.order_store import OrderStore
from storage.views import OrderFilter
from tests.support.order_events import decoded_order, placed
from tests.support.storage_harness import StorageHarness

__all__ = ["OrderQueueHarness", "share_per_shop"]


def share_per_shop(number: int) -> Callable[[Due], Sequence[tuple[str, int]]]:
    """Claim so many orders of each shop that is open."""

    def share(due: Due) -> Sequence[tuple[str, int]]:
        return [(shop, number) for shop in due.open]

    return share


class OrderQueueHarness(StorageHarness):
    """Database where orders are accepted and claimed."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.orders = OrderStore(self.fence, "w1")
        self.queue = OrderQueue(self.fence, self.switchboard)

    def accept_orders(self, *ids: str, shop: str = "main") -> None:
        """Accept orders, each placed a second after the one before."""
        for number, order_id in enumerate(ids):
            at = f"2026-11-23T07:22:{number:02}Z"
            self.orders.commit([decoded_order(placed(order_id, placed_at=at), shop)])

    def claim(self, number: int = 10) -> list[str]:
        return [f"{order.shop}/{order.order_id}" for order in self.queue.claim(share_per_shop(number))]

    def record_response(self, order: ClaimedOrder, answer: ErpResponse) -> None:
        self.queue.record([(order, lambda now: after_attempt(answer, order.attempts, now, 1.0))])

    def state(self, order_id: str = "a", shop: str = "main") -> str:
        [row] = [row for row in self.views.rows(OrderFilter(shop=shop)) if row["order_id"] == order_id]
        return str(row["state"])
