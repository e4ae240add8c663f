"""`comporta status`, `missed`, `quarantine` and `audit`."""

from __future__ import annotations

import re
import time
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.live import Live
from rich.text import Text

from control.cli.output import AsJson, console, fail, print_json, print_rows
from control.cli.views import status_view
from control.remote import Remote, remote_for
from control.settings import load_settings
from control.texts import say
from producers.errors import NoReply
from schemas.registry import DOMAIN_NAMES
from storage.errors import StorageError

__all__ = ["audit", "missed_app", "quarantine_app", "status"]

missed_app = typer.Typer(no_args_is_help=True, help="Keys whose newest known change was discarded.")
quarantine_app = typer.Typer(no_args_is_help=True, help="Refused messages, whole, with the reason.")

Shop = Annotated[str | None, typer.Option(help="Only this shop.")]
Domain = Annotated[str | None, typer.Option(help="Only this domain.")]
_ID = re.compile(r"[0-9A-Za-z-]{1,64}", re.ASCII)
_UNKNOWN = "?"
Limit = Annotated[int, typer.Option(help="At most so many rows.", min=1, max=10_000)]


def status(
    watch: Annotated[bool, typer.Option("--watch", help="Show it again every second until Ctrl-C.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Exit 0 if everything is on, 1 if not.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what is on and off, who works, and what the last minute brought."""
    if watch and (check or as_json):
        raise typer.BadParameter("--watch shows the state to people, again and again: leave out --check and --json")
    remote = remote_for(load_settings())
    if watch:
        _watch(remote)
        return
    document = remote.status()
    if as_json:
        print_json(document.model_dump(mode="json"))
    else:
        console.print(status_view(document))
    if check and not document.all_on:
        raise typer.Exit(1)


@missed_app.command("list")
def missed_list(shop: Shop = None, domain: Domain = None, limit: Limit = 100, as_json: AsJson = False) -> None:
    """List the missed keys, oldest first."""
    _list(
        "missed", ("discarded_at", "shop", "domain", "key", "version"), as_json, shop=shop, domain=domain, limit=limit
    )


@quarantine_app.command("list")
def quarantine_list(shop: Shop = None, domain: Domain = None, limit: Limit = 100, as_json: AsJson = False) -> None:
    """List the refused messages, newest first."""
    columns = ("id", "at", "shop", "domain", "reason", "pointer", "sentence")
    _list("quarantine", columns, as_json, shop=shop, domain=domain, limit=limit)


@quarantine_app.command("show")
def quarantine_show(identity: Annotated[str, typer.Argument(metavar="ID")], as_json: AsJson = False) -> None:
    """Show one refused message, whole."""
    found = remote_for(load_settings()).quarantined(identity) if _ID.fullmatch(identity) else None
    if found is None:
        raise fail(f"nothing with the id {identity} is in the quarantine; `comporta quarantine list` shows what is")
    if as_json:
        print_json(found)
        return
    print_rows([{"field": name, "value": value} for name, value in found.items()], ("field", "value"), "")


def audit(limit: Limit = 100, as_json: AsJson = False) -> None:
    """Show who switched what, when and why, and what came of it."""
    columns = ("at", "action", "shop", "domains", "by", "reason", "result", "epoch", "error")
    _list("audit", columns, as_json, limit=limit)


def _list(what: str, columns: tuple[str, ...], as_json: bool, **filters: Any) -> None:
    domain = filters.get("domain")
    if domain is not None and domain not in (*DOMAIN_NAMES, _UNKNOWN):
        raise typer.BadParameter(f"--domain: {domain}: not a domain; there are {', '.join(DOMAIN_NAMES)}")
    rows = remote_for(load_settings()).rows(what, filters)
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, columns, say("nothing"))


def _watch(remote: Remote) -> None:
    with Live(status_view(remote.status()), console=console, screen=console.is_terminal) as live:
        try:
            while True:
                time.sleep(1)
                live.update(_present(remote))
        except KeyboardInterrupt:
            return


def _present(remote: Remote) -> Group | Text:
    # Who watches a restart wants to see the end of it, too.
    try:
        return status_view(remote.status())
    except (NoReply, StorageError) as error:
        return Text(f"{say('no_answer')}: {error}", style="bold red")
