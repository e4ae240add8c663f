"""Setting COMPORTA_ERP_ORDER_QUEUES: which shops have an order queue of their own."""

from __future__ import annotations

import pytest

from rules.order_routes import SHARED, OrderRoute, OrderRoutes, parse_order_routes


@pytest.mark.parametrize("value", ["", "false", "0", "no", "OFF", " "])
def test_without_it_all_orders_go_to_one_queue(value: str) -> None:
    assert parse_order_routes(value) == SHARED
    assert SHARED.route("north") == OrderRoute("erp.orders", "north")
    assert SHARED.named(["north"]) == []


@pytest.mark.parametrize("value", ["true", "1", "Yes", "on"])
def test_every_shop_may_have_a_queue(value: str) -> None:
    routes = parse_order_routes(value)
    assert routes == OrderRoutes(None)
    assert routes.route("north") == OrderRoute("", "erp.orders.north")
    assert routes.named(["south", "north"]) == ["north", "south"]


def test_some_shops_may_have_one() -> None:
    routes = parse_order_routes("north, loja-2")
    assert routes.route("loja-2") == OrderRoute("", "erp.orders.loja-2")
    assert routes.route("south") == OrderRoute("erp.orders", "south")
    assert routes.named(["south"]) == ["loja-2", "north"]


@pytest.mark.parametrize("value", ["north,", "North", "a b", "*", "north;south"])
def test_anything_else_is_refused_by_name(value: str) -> None:
    with pytest.raises(ValueError, match="shops separated by commas"):
        parse_order_routes(value)
