"""Queues of shops for their orders: declared before the first order, and anew if one was deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import structlog

from broker.connection import BrokerLost, open_connection, release
from broker.declare import declare_queues
from producers.messages import Fate, OutgoingMessage, PublishResult
from rules.order_routes import SHARED, OrderRoutes
from schemas.topology import orders_queue

__all__ = ["OrderQueues"]

log = structlog.get_logger(__name__)

PublishAll = Callable[[Iterable[OutgoingMessage]], Iterable[PublishResult]]


class OrderQueues:
    """Publisher to the queues that the shops' orders go to; for one thread."""

    def __init__(self, url: str, routes: OrderRoutes = SHARED) -> None:
        self._url = url
        self._routes = routes
        self._declared: set[str] = set()

    def publish(
        self, publish: PublishAll, shops: Sequence[str], message: Callable[[int, str, str], OutgoingMessage]
    ) -> list[PublishResult]:
        """Publish a message for each of these shops; `message` builds one from its index, exchange and routing key."""
        self._prepare({shop for shop in shops if self._routes.has_own(shop)})
        results = list(publish(message(index, *self._routes.route(shop)) for index, shop in enumerate(shops)))
        # The queue was deleted: the next attempt declares it again.
        self._declared -= {shop for shop, result in zip(shops, results, strict=True) if result.fate is Fate.RETURNED}
        return results

    def _prepare(self, shops: set[str]) -> None:
        new = sorted(shops - self._declared)
        if not new:
            return
        try:
            connection = open_connection(self._url, name="order queues")
        except BrokerLost:
            # Publishing meets the same fault, and reports it with the order.
            return
        try:
            faults = declare_queues(connection, [orders_queue(shop) for shop in new])
        except BrokerLost:
            release(connection, broken=True)
            return
        release(connection)
        for name, fault in faults.items():
            log.warning("the queue of a shop's orders can't be declared", queue=name, error=fault.text)
        # Also those that were refused: an administrator of the broker may have declared them.
        self._declared |= set(new)
