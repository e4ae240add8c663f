"""Order routes: the shops whose orders go to a queue of their own, so that one ERP can't read or purge another's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from schemas.events import SHOP
from schemas.topology import ORDERS_OUT, orders_queue

__all__ = ["SHARED", "OrderRoute", "OrderRoutes", "parse_order_routes"]

_EVERY, _NONE = frozenset({"true", "1", "yes", "on"}), frozenset({"", "false", "0", "no", "off"})


class OrderRoute(NamedTuple):
    """Exchange and routing key of a shop's orders; the default exchange takes a queue's name as routing key."""

    exchange: str
    routing_key: str


@dataclass(frozen=True, slots=True)
class OrderRoutes:
    """Shops with a queue of their own: those in `own`, or all of them if it is None."""

    own: frozenset[str] | None = frozenset()

    def route(self, shop: str) -> OrderRoute:
        """Return the route of a shop's orders and cancellations."""
        return OrderRoute("", orders_queue(shop).name) if self.has_own(shop) else OrderRoute(ORDERS_OUT, shop)

    def has_own(self, shop: str) -> bool:
        """Return whether a shop has a queue of its own."""
        return self.own is None or shop in self.own

    def named(self, known: Iterable[str]) -> list[str]:
        """Return the shops that have a queue of their own before their first order; of all, those that are known."""
        return sorted(known if self.own is None else self.own)


SHARED = OrderRoutes()


def parse_order_routes(value: str) -> OrderRoutes:
    """Return the routes of the setting COMPORTA_ERP_ORDER_QUEUES; raises `ValueError` with the remedy."""
    text = value.strip()
    if text.lower() in _NONE:
        return SHARED
    if text.lower() in _EVERY:
        return OrderRoutes(None)
    shops = [shop.strip() for shop in text.split(",")]
    wrong = next((shop for shop in shops if not SHOP.fullmatch(shop)), None)
    if wrong is not None:
        raise ValueError(
            f"must be true (a queue for each shop), false (one for all), or shops separated by commas; {wrong!r} is no "
            "shop id: a-z, 0-9 and -, at most 63 characters"
        )
    return OrderRoutes(frozenset(shops))
