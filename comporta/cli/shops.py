"""`comporta shop`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from comporta.cli.client import remote_for
from comporta.cli.options import Why, Yes, audit_context, confirm, shop_id
from comporta.cli.output import AsJson, console, print_json, print_rows
from comporta.runtime.settings import load_settings

if TYPE_CHECKING:
    from control.shops import ShopRemoval

__all__ = ["shop_app"]

shop_app = typer.Typer(no_args_is_help=True, help="Known shops: those of an event or order, or added here.")

Shop = Annotated[str, typer.Argument(help="The shop's id.", callback=shop_id)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count the rows by table.")]
Force = Annotated[bool, typer.Option("--force", help="Also while it is on, or has orders on their way.")]


@shop_app.command("list")
def shop_list(as_json: AsJson = False) -> None:
    """List the known shops."""
    with remote_for(load_settings()).actions() as actions:
        shops = [shop._asdict() for shop in actions.shops.known()]
    if as_json:
        print_json(shops)
    else:
        print_rows(shops, ("shop", "first_seen", "admitted"), "no shop is known yet")


@shop_app.command("add")
def shop_add(shop: Shop, why: Why = None, as_json: AsJson = False) -> None:
    """Make a shop known before its first event or order."""
    with remote_for(load_settings()).actions() as actions:
        new = actions.shops.add(shop, audit_context(why))
    if as_json:
        print_json({"shop": shop, "new": new})
    else:
        console.print(f"the shop {shop} is known now" if new else f"the shop {shop} was known already", markup=False)


@shop_app.command("remove")
def shop_remove(
    shop: Shop,
    why: Why = None,
    dry_run: DryRun = False,
    force: Force = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Erase a shop: every row of it in every table but the audit, in small steps.

    The shop must be paused, and the ERP must have its orders. Events that arrive later make it known again, unless
    COMPORTA_SHOPS says otherwise.
    """
    context = audit_context(why)
    with remote_for(load_settings()).actions() as actions:
        removal = actions.shops.remove(shop, context, dry_run=True)
        if not dry_run:
            if not removal.obstacles or force:
                number = sum(removal.rows.values())
                confirm(f"Erase the shop {shop} with {number:,} rows? This can't be undone.", yes=yes)
            removal = actions.shops.remove(shop, context, force=force)
    if as_json:
        print_json(
            {"shop": removal.shop, "rows": removal.rows, "removed": removal.removed, "obstacles": removal.obstacles}
        )
        return
    _print(removal, dry_run)


def _print(removal: ShopRemoval, dry_run: bool) -> None:
    print_rows([{"table": table, "rows": number} for table, number in removal.rows.items()], ("table", "rows"), "")
    if dry_run:
        for obstacle in removal.obstacles:
            console.print(f"not removed as it is: {obstacle}", markup=False, highlight=False)
        console.print("nothing was removed", markup=False)
    else:
        console.print(f"the shop {removal.shop} is removed: {removal.removed:,} rows", markup=False, highlight=False)
