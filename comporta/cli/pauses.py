"""`comporta pauses`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from comporta.cli.client import remote_for
from comporta.cli.options import Limit
from comporta.cli.output import AsJson, console, fail, print_json, print_rows, translate
from comporta.runtime.settings import load_settings

__all__ = ["pauses_app"]

pauses_app = typer.Typer(no_args_is_help=True, help="Pauses, and what each has cost.")

_MOST = 100
_COLUMNS = ("epoch", "since", "ended_at", "scopes", "by", "reason", "discarded", "keys", "left", "orders_held")
_LINES = ("scope", "shop", "domain", "discarded", "keys", "left")
Epoch = Annotated[int, typer.Argument(help="The epoch at which the pause began.", min=0)]


@pauses_app.command("list")
def pauses_list(limit: Limit = 20, as_json: AsJson = False) -> None:
    """List the pauses, newest first."""
    reports = remote_for(load_settings()).pauses(min(limit, _MOST))
    if as_json:
        print_json(reports)
        return
    rows = [
        {**report, "scopes": ", ".join(map(_scope, report["scopes"])), "discarded": sum(report["discarded"].values())}
        for report in map(_with_times, reports)
    ]
    print_rows(rows, _COLUMNS, translate("no_rows"))


@pauses_app.command("show")
def pauses_show(epoch: Epoch, as_json: AsJson = False) -> None:
    """Show one pause: who, why, from, to, and the cost for each shop and domain."""
    report = remote_for(load_settings()).pause(epoch)
    if report is None:
        raise fail(f"no pause began with the epoch {epoch}; `comporta pauses list` shows the pauses")
    if as_json:
        print_json(report)
        return
    shown = _with_times(report)
    facts = ("since", "ended_at", "by", "reason", "keys", "left", "made_good_at", "orders_held", "longest_wait_seconds")
    print_rows([{"": name, "value": shown[name]} for name in facts], ("", "value"), "")
    lines = [{"scope": _scope(scope), **line} for scope in report["scopes"] for line in scope["lines"]]
    console.print()
    print_rows(lines, _LINES, "nothing was discarded")


def _scope(scope: dict[str, Any]) -> str:
    return f"{scope['shop']}/{scope['domain']}"


def _with_times(report: dict[str, Any]) -> dict[str, Any]:
    times = {name: report[name] for name in ("since", "ended_at", "made_good_at")}
    parsed = {name: datetime.fromisoformat(text) if isinstance(text, str) else text for name, text in times.items()}
    return {**report, **parsed}
