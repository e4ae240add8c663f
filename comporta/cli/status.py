"""`comporta status` and `comporta audit`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from comporta.cli.client import Remote, remote_for
from comporta.cli.commands import uncollected
from comporta.cli.options import Limit, print_list
from comporta.cli.output import AsJson, print_json, translate, warn
from comporta.runtime.settings import load_settings
from producers.errors import NoReply
from schemas.control import StatusDocument
from storage.errors import StorageError

if TYPE_CHECKING:
    from rich.console import Group
    from rich.text import Text

__all__ = ["audit", "status"]


def status(
    watch: Annotated[bool, typer.Option("--watch", help="Refresh every second until Ctrl-C.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Exit 0 if everything is on and messages are taken, 1 if not.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the switches, whether messages are taken, the workers, and the outcomes of the last minute."""
    if watch and (check or as_json):
        raise typer.BadParameter("--watch can't be combined with --check or --json")
    remote = remote_for(load_settings())
    # What shows the status is loaded while the database counts.
    remote.begin_status()
    if watch:
        _watch(remote)
        return
    if as_json:
        document = remote.status()
        print_json(document.model_dump(mode="json"))
    else:
        document = _print(remote)
    if check and document.health.state == "stopped":
        from comporta.cli.health import health_line

        # On standard error: with --json, standard output is for the document alone.
        warn(" ".join(str(line).strip() for line in health_line(document)))
    if check and not (document.all_on and document.health.state != "stopped"):
        raise typer.Exit(1)


def audit(limit: Limit = 100, as_json: AsJson = False) -> None:
    """Show every pause, resume and operator action with its author, time, reason and result."""
    columns = ("at", "action", "shop", "domains", "subject", "by", "reason", "result", "count", "epoch", "error")
    print_list("audit", columns, as_json, limit=limit)


def _print(remote: Remote) -> StatusDocument:
    with uncollected():
        from comporta.cli.output import console
        from comporta.cli.status_view import status_view

    document = remote.status()
    console.print(status_view(document))
    return document


def _watch(remote: Remote) -> None:
    from rich.live import Live

    from comporta.cli.output import console
    from comporta.cli.status_view import status_view

    with Live(status_view(remote.status()), console=console, screen=console.is_terminal) as live:
        try:
            while True:
                time.sleep(1)
                live.update(_refresh(remote))
        except KeyboardInterrupt:
            return


def _refresh(remote: Remote) -> Group | Text:
    from rich.text import Text

    from comporta.cli.status_view import status_view

    # During a restart the operator keeps watching until Comporta answers again.
    try:
        return status_view(remote.status())
    except (NoReply, StorageError) as error:
        return Text(f"{translate('no_answer')}: {error}", style="bold red")
