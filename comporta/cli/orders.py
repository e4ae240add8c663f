"""`comporta orders`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from comporta.cli.client import remote_for
from comporta.cli.options import ListGroup, Why, audit_context, parse_duration
from comporta.cli.output import AsJson, console, fail, print_json, print_rows, translate
from comporta.runtime.settings import load_settings
from rules.actions import AuditContext
from rules.orders import RETRYABLE, OrderState
from schemas.domains import ORDERS
from schemas.orders import ACCEPTABLE
from storage.views import OrderFilter

__all__ = ["MAIN", "OrderIds", "orders_app"]

orders_app = typer.Typer(cls=ListGroup, help="Orders from the shops, on their way to the ERP.")

OrderIds = Annotated[list[str] | None, typer.Argument(metavar="[ORDER_ID]…")]
OfShop = Annotated[str, typer.Option("--shop", help="The shop that placed it.")]
_COLUMNS = (
    "placed_at",
    "shop",
    "order_id",
    "state",
    "state_since",
    "attempts",
    "next_attempt_at",
    "erp_number",
    "last_error",
)
MAIN = "main"


@orders_app.command("list")
def orders_list(
    shop: Annotated[str | None, typer.Option(help="Only this shop.")] = None,
    state: Annotated[OrderState | None, typer.Option(help="Only orders in this state.")] = None,
    older_than: Annotated[
        str | None, typer.Option(help="Only orders received at least this long ago, such as 10m.")
    ] = None,
    overdue: Annotated[bool, typer.Option("--overdue", help="Only orders whose receipt is overdue.")] = False,
    text: Annotated[str | None, typer.Option(help="Only orders with this text in an id or number.")] = None,
    limit: Annotated[int, typer.Option(help="Maximum number of rows.", min=1, max=10_000)] = 100,
    as_json: AsJson = False,
) -> None:
    """List orders, oldest first."""
    age = None if older_than is None else parse_duration("--older-than", older_than).total_seconds()
    filters = {
        "shop": shop,
        "state": state and state.value,
        "older_than": age,
        "overdue": overdue or None,
        "text": text,
        "limit": limit,
    }
    rows = remote_for(load_settings()).rows("orders", filters)
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, _COLUMNS, translate("no_rows"))


@orders_app.command("show")
def orders_show(
    order_id: Annotated[str, typer.Argument(metavar="ORDER_ID")], shop: OfShop = MAIN, as_json: AsJson = False
) -> None:
    """Show one order in full, or why it was refused."""
    remote = remote_for(load_settings())
    order = remote.order(shop, order_id)
    refused = remote.rows("quarantine", {"shop": shop, "domain": ORDERS, "key": order_id})
    if order is None and not refused:
        raise fail(f"the shop {shop} has no order {order_id}; `comporta orders list` lists the orders")
    order = order or {"shop": shop, "order_id": order_id, "state": "refused"}
    if as_json:
        print_json({**order, "refused": refused} if refused else order)
        return
    fields = [{"field": name, "value": value} for name, value in order.items() if name != "events"]
    print_rows(fields, ("field", "value"), "")
    if order.get("events"):
        console.print("\nLater news from the ERP:", markup=False)
        print_rows(order["events"], ("event", "occurred_at", "received_at", "data"), "")
    if refused:
        _print_refused(refused)


def _print_refused(messages: list[dict[str, Any]]) -> None:
    console.print(f"{len(messages)} refused with this id, newest first:", markup=False)
    print_rows(messages, ("id", "at", "reason", "pointer", "sentence"), "")
    newest = messages[0]["id"]
    accept = f", `comporta quarantine accept {newest}` takes the order as it is"
    console.print(
        f"`comporta quarantine show {newest}` shows the message{accept if messages[0]['reason'] in ACCEPTABLE else ''}."
        f" When the cause is mended, `comporta quarantine replay {newest}` tries it again; or the shop sends a "
        "corrected order with the same id.",
        markup=False,
        highlight=False,
    )


@orders_app.command("retry")
def orders_retry(
    order_ids: OrderIds = None,
    shop: Annotated[str | None, typer.Option(help="The shop that placed them; by default main.")] = None,
    state: Annotated[
        OrderState | None,
        typer.Option(help="All orders in this state (rejected, sent, stuck or waiting), of --shop or of all shops."),
    ] = None,
    why: Why = None,
    as_json: AsJson = False,
) -> None:
    """Let orders be sent again that are stuck, or that the ERP has rejected or not answered.

    The ERP recognizes them by their id.
    """
    if bool(order_ids) == (state is not None):
        raise typer.BadParameter("give the ids of the orders, or --state for all in one state")
    if state is not None:
        _retry_all(state, shop, audit_context(why), as_json)
    else:
        _retry_each(order_ids or [], shop or MAIN, audit_context(why), as_json)


def _retry_all(state: OrderState, shop: str | None, context: AuditContext, as_json: bool) -> None:
    if state not in RETRYABLE:
        raise typer.BadParameter(f"--state: orders in the state {state} can't be sent again")
    filters = OrderFilter(shop, state.value)
    with remote_for(load_settings()).actions() as actions:
        number = actions.count_retryable(filters)
        retried = actions.retry_many(filters, context, number) if number else 0
    _print_retried(retried, number, as_json)


def _retry_each(order_ids: list[str], shop: str, context: AuditContext, as_json: bool) -> None:
    with remote_for(load_settings()).actions() as actions:
        left = [order_id for order_id in order_ids if not actions.retry(shop, order_id, context)]
    _print_retried(len(order_ids) - len(left), len(order_ids), as_json)
    if left:
        raise fail(f"left as they are: {', '.join(left)} (unknown, being sent, or internalized already)")


def _print_retried(retried: int, number: int, as_json: bool) -> None:
    if as_json:
        print_json({"chosen": number, "retried": retried})
    else:
        console.print(f"{retried} of {number} orders wait to be sent again", markup=False)
