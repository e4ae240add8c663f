"""`comporta missed`."""

from __future__ import annotations

from typing import Annotated

import typer

from comporta.cli.client import remote_for
from comporta.cli.options import Domain, Limit, Shop, Why, Yes, audit_context, confirm_discard, print_list
from comporta.cli.output import AsJson, console, print_json
from comporta.runtime.settings import load_settings
from schemas.domains import ORDERS
from storage.views import MissedFilter

__all__ = ["missed_app"]

missed_app = typer.Typer(no_args_is_help=True, help="Keys whose newest known change was discarded.")

_LISTED = ("discarded_at", "shop", "domain", "key", "version", "asked_at", "asked_count", "asked_by")
Text = Annotated[str | None, typer.Option(help="Only keys with this text in them.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show how many keys would be requested.")]

Again = Annotated[bool, typer.Option("--again", help="Also the keys that were asked for a moment ago.")]


@missed_app.command("list")
def missed_list(
    shop: Shop = None, domain: Domain = None, text: Text = None, limit: Limit = 100, as_json: AsJson = False
) -> None:
    """List the missed keys, oldest first."""
    print_list("missed", _LISTED, as_json, shop=shop, domain=domain, text=text, limit=limit)


@missed_app.command("resync")
def missed_resync(
    shop: Shop = None,
    domain: Domain = None,
    why: Why = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    again: Again = False,
    as_json: AsJson = False,
) -> None:
    """Ask the ERP to publish the missed keys again, by messages to the exchange erp.resync.

    Keys that it was asked for within COMPORTA_RESYNC_AFTER seconds are left out: its answer may be on the way. While
    their domain is off, the answers would be discarded: that needs a confirmation, or --yes.
    """
    if domain == ORDERS:
        raise typer.BadParameter("--domain: orders wait while they are off and are never missed")
    with remote_for(load_settings()).actions() as actions:
        context, selection = audit_context(why), MissedFilter(shop, domain)
        recent = 0 if again else actions.count_asked(selection)
        result = confirm_discard(
            lambda discard: actions.resync(selection, context, dry_run=dry_run, discard=discard, again=again), yes=yes
        )
    if as_json:
        print_json({**result._asdict(), "asked_recently": recent})
    elif dry_run:
        console.print(f"{result.keys} keys are missed: {result.messages} messages to the ERP", markup=False)
    else:
        console.print(f"The ERP is asked for {result.requested} of {result.keys} missed keys", markup=False)
    if recent and not as_json:
        console.print(f"{recent} more were asked for a moment ago; --again asks for them too", markup=False)
