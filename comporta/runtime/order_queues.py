"""Order queues of shops: those that the settings give a queue of their own, so that its ERP reads no other's orders."""

from __future__ import annotations

from comporta.runtime.settings import Settings
from schemas.topology import Queue, orders_queue
from storage.database import Database
from storage.errors import StorageError
from storage.shop_rows import ShopStore

__all__ = ["shop_order_queues"]


def shop_order_queues(settings: Settings, database: Database) -> list[Queue]:
    """Return the queues of shops for their orders, which their ERPs may want to read before the first order."""
    routes = settings.order_routes
    if settings.erp_url is not None or not (routes.own is None or routes.own):
        return []
    try:
        known = ShopStore(database.fence).known() if routes.own is None else frozenset[str]()
    except StorageError:
        # Declared later, before the first order.
        known = frozenset()
    return [orders_queue(shop) for shop in routes.named(known)]
