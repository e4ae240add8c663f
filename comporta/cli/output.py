"""How commands print: tables for people, JSON for scripts, one line for an error."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.text import printable

__all__ = [
    "AsJson",
    "console",
    "errors",
    "fail",
    "local_time",
    "one_line",
    "print_json",
    "print_rows",
    "translate",
    "warn",
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
_terminal = Console(highlight=False)
# What is piped somewhere is not folded to eighty columns.
console = _terminal if _terminal.is_terminal else Console(highlight=False, width=200)
errors = Console(stderr=True, highlight=False)

_TEXTS: dict[str, tuple[str, str]] = {
    "off": ("Integration off (epoch {epoch})", "Integração Desligada (época {epoch})"),
    "on": ("Integration on (epoch {epoch})", "Integração Ligada (época {epoch})"),
    "unchanged": (
        "It was so already; an end may have moved (epoch {epoch})",
        "Já estava assim; o fim pode ter mudado (época {epoch})",
    ),
    "refused": ("Refused: {error}", "Recusado: {error}"),
    "in_flight": ("{count} orders are still on their way to the ERP", "{count} pedidos ainda a caminho do ERP"),
    "still_off": (
        "still off: shop {shop}, domain {domain}, since {since}, until {until}, by {by}: {reason}",
        "ainda desligado: loja {shop}, domínio {domain}, desde {since}, até {until}, por {by}: {reason}",
    ),
    "open_end": ("open", "sem fim"),
    "switched_on": ("On", "Ligada"),
    "switched_off": ("Off", "Desligada"),
    "partly_off": ("Partly off", "Parcialmente desligada"),
    "integration": ("Integration", "Integração"),
    "no_answer": ("No answer, trying again", "Sem resposta, tentando de novo"),
    "nothing": ("nothing", "nada"),
}


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
    return printable(text)


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


def translate(name: str, **values: object) -> str:
    """One text with its values; Portuguese where the locale says so."""
    return _TEXTS[name][_portuguese()].format(**values)


def _portuguese() -> bool:
    named = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return next((value for value in named if value), "").lower().startswith("pt")
