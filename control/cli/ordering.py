"""`comporta orders`."""

from __future__ import annotations

from typing import Annotated

import typer

from control.cli.output import AsJson, console, fail, print_json, print_rows
from control.remote import remote_for
from control.settings import load_settings
from control.texts import say
from rules.orders import OrderState

__all__ = ["orders_app"]

orders_app = typer.Typer(no_args_is_help=True, help="Orders from the shops, on their way to the ERP.")

OrderIds = Annotated[list[str], typer.Argument(metavar="ORDER_ID…")]
OfShop = Annotated[str, typer.Option("--shop", help="The shop that placed it.")]
_COLUMNS = ("placed_at", "shop", "order_id", "state", "attempts", "next_attempt_at", "erp_number", "last_error")


@orders_app.command("list")
def orders_list(
    shop: Annotated[str | None, typer.Option(help="Only this shop.")] = None,
    state: Annotated[OrderState | None, typer.Option(help="Only orders in this state.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many rows.", min=1, max=10_000)] = 100,
    as_json: AsJson = False,
) -> None:
    """List orders, the oldest first."""
    filters = {"shop": shop, "state": state and state.value, "limit": limit}
    rows = remote_for(load_settings()).rows("orders", filters)
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, _COLUMNS, say("nothing"))


@orders_app.command("show")
def orders_show(
    order_id: Annotated[str, typer.Argument(metavar="ORDER_ID")], shop: OfShop = "main", as_json: AsJson = False
) -> None:
    """Show one order, whole."""
    found = remote_for(load_settings()).order(shop, order_id)
    if found is None:
        raise fail(f"the shop {shop} has placed no order {order_id}; `comporta orders list` shows what there is")
    if as_json:
        print_json(found)
    else:
        print_rows([{"field": name, "value": value} for name, value in found.items()], ("field", "value"), "")


@orders_app.command("retry")
def orders_retry(order_ids: OrderIds, shop: OfShop = "main") -> None:
    """Let orders be sent again that the ERP has rejected or not answered for; the ERP knows them by their id."""
    remote = remote_for(load_settings())
    left = [order_id for order_id in order_ids if not remote.retry_order(shop, order_id)]
    console.print(f"{len(order_ids) - len(left)} of {len(order_ids)} orders wait to be sent again")
    if left:
        raise fail(f"left as they are: {', '.join(left)} (unknown, being sent, or internalized already)")
