"""How commands print: tables for people, JSON for scripts, one line for an error."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["AsJson", "console", "errors", "fail", "local_time", "one_line", "print_json", "print_rows", "warn"]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]

_terminal = Console(highlight=False)
# What is piped somewhere is not folded to eighty columns.
console = _terminal if _terminal.is_terminal else Console(highlight=False, width=200)
errors = Console(stderr=True, highlight=False)


def fail(message: str, code: int = 1) -> typer.Exit:
    """Prints what went wrong; raise what it returns."""
    warn(message)
    return typer.Exit(code)


def warn(message: str) -> None:
    """Prints a line on standard error."""
    lines = "\n".join(one_line(line) for line in message.split("\n"))
    errors.print(Text(f"comporta: {lines}"), soft_wrap=True)


def one_line(text: str) -> str:
    """The text without control characters: what somebody else wrote must not draw on this terminal."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)


def local_time(moment: datetime, timespec: str) -> str:
    """A moment in the time zone of this machine, down to `timespec`."""
    try:
        return moment.astimezone().isoformat(timespec=timespec)
    except OverflowError:
        # The end of the year 9999 is, further east, in a year that Python does not know.
        return moment.isoformat(timespec=timespec)


def print_json(value: Any) -> None:
    """Prints one JSON document."""
    typer.echo(json.dumps(value, default=_plain, ensure_ascii=False))


def print_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], empty: str) -> None:
    """Prints rows as a table, or what it means that there are none."""
    if not rows:
        console.print(empty)
        return
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(_cell(row.get(column)), overflow="fold") for column in columns))
    console.print(table)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return local_time(value, "seconds").replace("T", " ")
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
    return one_line(text)


def _plain(value: Any) -> str:
    # As the API writes it, so that a script reads the same from either.
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else str(value)
