"""`comporta status` and `comporta audit`."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.console import Group
from rich.live import Live
from rich.text import Text

from comporta.cli.client import Remote, remote_for
from comporta.cli.lists import Limit, print_list
from comporta.cli.output import AsJson, console, print_json
from comporta.cli.views import status_view
from comporta.runtime.settings import load_settings
from control.texts import say
from producers.errors import NoReply
from storage.errors import StorageError

__all__ = ["audit", "status"]


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


def audit(limit: Limit = 100, as_json: AsJson = False) -> None:
    """Show who switched, replayed, dropped or asked for what, when and why, and what came of it."""
    columns = ("at", "action", "shop", "domains", "subject", "by", "reason", "result", "count", "epoch", "error")
    print_list("audit", columns, as_json, limit=limit)


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
