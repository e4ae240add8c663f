"""`comporta missed`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from comporta.cli.client import remote_for
from comporta.cli.options import Domain, Limit, ListGroup, Shop, Why, Yes, audit_context, confirm_discard, print_list
from comporta.cli.output import AsJson, console, print_json
from comporta.runtime.settings import load_settings
from schemas.domains import ORDERS
from schemas.events import SHOP
from storage.views import MissedFilter

__all__ = ["missed_app"]

missed_app = typer.Typer(cls=ListGroup, help="Keys whose newest known change was discarded.")

_LISTED = ("discarded_at", "shop", "domain", "key", "version", "asked_at", "asked_count", "asked_by")
Text = Annotated[str | None, typer.Option(help="Only keys with this text in them.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show how many keys would be requested.")]

Since = Annotated[str | None, typer.Option(help="Everything changed from this time on (RFC 3339 with a zone).")]
Until = Annotated[str | None, typer.Option(help="With --since: everything changed before this time; without it, now.")]
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
    since: Since = None,
    until: Until = None,
    as_json: AsJson = False,
) -> None:
    """Ask the ERP to publish the missed keys again, by messages to the exchange erp.resync.

    Keys that it was asked for within COMPORTA_RESYNC_AFTER seconds are left out: its answer may be on the way. While
    their domain is off, the answers would be discarded: that needs a confirmation, or --yes.

    With --since the ERP is asked for everything that it has changed from then to --until, missed or not: for what never
    reached the broker. That is refused while anything of it is off.
    """
    if domain == ORDERS:
        raise typer.BadParameter("--domain: orders wait while they are off and are never missed")
    if since is not None or until is not None:
        _resync_window(since, until, shop, domain, why, dry_run=dry_run, as_json=as_json)
        return
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


def _resync_window(
    since: str | None,
    until: str | None,
    shop: str | None,
    domain: str | None,
    why: str | None,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    # Loaded here: the list of missed keys needs none of it.
    from control.resync_windows import ResyncWindow

    if since is None:
        raise typer.BadParameter("--until: needs --since, the beginning of the window")
    if shop is not None and not SHOP.fullmatch(shop):
        raise typer.BadParameter(f"--shop: {shop!r} is not a shop id: a-z, 0-9 and -, at most 63 characters")
    begins, ends = _moment("--since", since), datetime.now(UTC) if until is None else _moment("--until", until)
    if begins >= ends:
        raise typer.BadParameter("--since: must lie before --until, which is now unless given")
    window = ResyncWindow(begins, ends, shop, domain)
    with remote_for(load_settings()).actions() as actions:
        messages = actions.windows.request(window, audit_context(why), dry_run=dry_run)
    if as_json:
        print_json({"messages": messages})
    else:
        done = "would be asked" if dry_run else "is asked"
        console.print(f"The ERP {done} for what it has changed, in {messages} messages", markup=False)


def _moment(option: str, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise typer.BadParameter(f"{option}: {text!r} is not a time with a zone; use 2026-11-23T20:00:00Z")
    return moment
