"""`comporta orders hold|release|cancel`."""

from __future__ import annotations

from typing import Annotated

import typer

from comporta.cli.client import remote_for
from comporta.cli.client_actions import Actions
from comporta.cli.options import audit_context, parse_duration
from comporta.cli.orders import MAIN, OrderIds, orders_app
from comporta.cli.output import AsJson, console, fail, print_json
from comporta.runtime.settings import load_settings
from rules.actions import ActionError, AuditContext
from rules.orders import OrderState
from storage.order_changes import Change
from storage.views import OrderFilter

__all__ = ["orders_app"]

Why = Annotated[str | None, typer.Option("--why", "--reason", help="Reason, for the audit.")]
OfShop = Annotated[str | None, typer.Option("--shop", help="The shop that placed them; for given ids by default main.")]
OfState = Annotated[OrderState | None, typer.Option("--state", help="All orders in this state.")]
OlderThan = Annotated[str | None, typer.Option(help="All orders received at least this long ago, such as 10m.")]
WithText = Annotated[str | None, typer.Option("--text", help="All orders with this text in an id or number.")]
Overdue = Annotated[bool, typer.Option("--overdue", help="All orders whose receipt is overdue.")]
All = Annotated[bool, typer.Option("--all", help="All orders that can be.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count the orders.")]
Expected = Annotated[int | None, typer.Option(help="Change nothing unless there are exactly so many.", min=0)]
_PARTICIPLES: dict[Change, str] = {"hold": "held", "release": "released", "cancel": "cancelled"}


@orders_app.command("hold")
def orders_hold(
    order_ids: OrderIds = None,
    shop: OfShop = None,
    state: OfState = None,
    older_than: OlderThan = None,
    text: WithText = None,
    overdue: Overdue = False,
    all_orders: All = False,
    dry_run: DryRun = False,
    expected: Expected = None,
    why: Why = None,
    as_json: AsJson = False,
) -> None:
    """Set orders aside that are not internalized: they don't leave until they are released."""
    filters = _filter(order_ids, shop, state, older_than, text, overdue, all_orders)
    _change("hold", order_ids, shop, filters, dry_run, expected, audit_context(why), as_json)


@orders_app.command("release")
def orders_release(
    order_ids: OrderIds = None,
    shop: OfShop = None,
    older_than: OlderThan = None,
    text: WithText = None,
    all_orders: All = False,
    dry_run: DryRun = False,
    expected: Expected = None,
    why: Why = None,
    as_json: AsJson = False,
) -> None:
    """Let held orders go on: they wait for the ERP again."""
    filters = _filter(order_ids, shop, None, older_than, text, False, all_orders)
    _change("release", order_ids, shop, filters, dry_run, expected, audit_context(why), as_json)


@orders_app.command("cancel")
def orders_cancel(
    order_ids: OrderIds = None,
    shop: OfShop = None,
    state: OfState = None,
    older_than: OlderThan = None,
    text: WithText = None,
    overdue: Overdue = False,
    all_orders: All = False,
    dry_run: DryRun = False,
    expected: Expected = None,
    why: Why = None,
    as_json: AsJson = False,
) -> None:
    """Cancel orders, as the shop may: what never left never leaves, of any other the ERP is told."""
    filters = _filter(order_ids, shop, state, older_than, text, overdue, all_orders)
    _change("cancel", order_ids, shop, filters, dry_run, expected, audit_context(why), as_json)


def _filter(
    order_ids: list[str] | None,
    shop: str | None,
    state: OrderState | None,
    older_than: str | None,
    text: str | None,
    overdue: bool,
    all_orders: bool,
) -> OrderFilter:
    age = None if older_than is None else parse_duration("--older-than", older_than)
    filters = OrderFilter(shop, state and state.value, age, text, overdue)
    narrowed = filters != OrderFilter(shop) or (shop is not None and not order_ids)
    if [bool(order_ids), narrowed, all_orders].count(True) != 1:
        raise typer.BadParameter("choose orders by their ids, by --shop, --state or another filter, or all by --all")
    return filters


def _change(
    change: Change,
    order_ids: list[str] | None,
    shop: str | None,
    filters: OrderFilter,
    dry_run: bool,
    expected: int | None,
    context: AuditContext,
    as_json: bool,
) -> None:
    with remote_for(load_settings()).actions() as actions:
        if order_ids:
            if dry_run or expected is not None:
                raise typer.BadParameter("--dry-run and --expected are for orders chosen by a filter")
            _change_each(actions, change, order_ids, shop or MAIN, context, as_json)
            return
        number = actions.count_changeable(change, filters)
        changed = 0
        if not dry_run and (number or expected):
            changed = actions.change_orders(change, filters, context, number if expected is None else expected)
    _print(change, changed, number, as_json, dry_run=dry_run)


def _change_each(
    actions: Actions, change: Change, order_ids: list[str], shop: str, context: AuditContext, as_json: bool
) -> None:
    left: dict[str, str] = {}
    ids = list(dict.fromkeys(order_ids))
    for order_id in ids:
        try:
            actions.change_order(change, shop, order_id, context)
        except ActionError as error:
            left[order_id] = str(error)
    _print(change, len(ids) - len(left), len(ids), as_json, left=left)
    if left:
        raise fail("\n".join(f"{order_id} stays as it is: {why}" for order_id, why in left.items()))


def _print(
    change: Change,
    changed: int,
    number: int,
    as_json: bool,
    *,
    dry_run: bool = False,
    left: dict[str, str] | None = None,
) -> None:
    if as_json:
        print_json({"chosen": number, "changed": changed} | ({} if left is None else {"left": left}))
    elif dry_run:
        console.print(f"{number} orders would be {_PARTICIPLES[change]}", markup=False)
    else:
        console.print(f"{changed} of {number} orders {_PARTICIPLES[change]}", markup=False)
