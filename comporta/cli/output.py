"""Output of the commands: tables for people, JSON for scripts, errors as one line."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

import typer

from comporta.cli.tables import field_path, fitting
from schemas.text import printable

if TYPE_CHECKING:
    from rich.console import Console

    console: Console
    errors: Console

__all__ = [
    "AsJson",
    "console",
    "errors",
    "fail",
    "for_people",
    "local_time",
    "one_line",
    "print_json",
    "print_rows",
    "translate",
    "warn",
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]

_TEXTS: dict[str, tuple[str, str]] = {
    "off": ("Integration off (epoch {epoch})", "Integração Desligada (mudança {epoch})"),
    "on": ("Integration on (epoch {epoch})", "Integração Ligada (mudança {epoch})"),
    "unchanged": (
        "Already in this state (epoch {epoch})",
        "Já estava nesse estado (mudança {epoch})",
    ),
    "changed_end": (
        "the end of shop {shop}, domain {domain} was {old} and is now {new}",
        "o término da loja {shop}, domínio {domain} era {old} e agora é {new}",
    ),
    "weekly": ("every week", "toda semana"),
    "planned": ("Pause planned (epoch {epoch})", "Pausa planejada (mudança {epoch})"),
    "planned_pause": (
        "planned: shop {shop}, domain {domain}, from {begins}, end {until}, by {by}: {reason}",
        "planejada: loja {shop}, domínio {domain}, de {begins}, término {until}, por {by}: {reason}",
    ),
    "refused": ("Refused: {error}", "Recusado: {error}"),
    "missed_left": (
        "{count} keys are missed: `comporta missed resync` asks the ERP for them",
        "{count} chaves perdidas: `comporta missed resync` as pede ao ERP",
    ),
    "in_flight": ("{count} orders are still on their way to the ERP", "{count} pedidos ainda estão a caminho do ERP"),
    "still_off": (
        "still off: shop {shop}, domain {domain}, since {since}, end {until}, by {by}: {reason}",
        "ainda desligado: loja {shop}, domínio {domain}, desde {since}, término {until}, por {by}: {reason}",
    ),
    "open_end": ("not set", "não definido"),
    "switched_on": ("On", "Ligada"),
    "switched_off": ("Off", "Desligada"),
    "partly_off": ("Partly off", "Desligada em parte"),
    "integration": ("Integration", "Integração"),
    "stopped": ("On, but stopped", "Ligada, mas parada"),
    "delayed": ("On, but delayed", "Ligada, mas atrasada"),
    "not_taken": ("no process has taken messages for {span}", "nenhum processo retira mensagens há {span}"),
    "never_taken": ("no process has taken any messages yet", "nenhum processo retirou mensagens ainda"),
    "broker_away": ("the broker has not answered for {span}", "o broker não responde há {span}"),
    "waiting": ("messages have been waiting for {span}", "mensagens esperam há {span}"),
    "in_queue": ("{count} in the queue", "{count} na fila"),
    "no_answer": ("No answer; trying again", "Sem resposta; tentando novamente"),
    "more": ("and {count} more", "e mais {count}"),
    "no_rows": ("no rows found", "nenhum registro encontrado"),
}


_POINTER = "pointer"
_HEADS = {_POINTER: "field"}
_AT_POINTER = re.compile(r"\b([a-z_]+) at (/[^\s:]*)(?=:)")


def __getattr__(name: str) -> Console:
    """Load the consoles at their first use (PEP 562): what prints JSON, or reads first, need not wait for rich."""
    if name not in {"console", "errors"}:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _consoles()[name]


@cache
def _consoles() -> dict[str, Console]:
    from rich.console import Console

    # Names and reasons are shown as they are: `:off:` is no emoji.
    terminal = Console(highlight=False, emoji=False)
    # Output to a pipe or a file is not wrapped at 80 columns.
    console = terminal if terminal.is_terminal else Console(highlight=False, emoji=False, width=200)
    return {"console": console, "errors": Console(stderr=True, highlight=False, emoji=False)}


def for_people(text: str) -> str:
    """Return the text of an error with its JSON pointers as the names of fields."""
    return _AT_POINTER.sub(lambda found: f"{found[1]} in {field_path(found[2])}", text)


def fail(message: str, code: int = 1) -> typer.Exit:
    """Print an error; return the exception for the caller to raise."""
    warn(for_people(message))
    return typer.Exit(code)


def warn(message: str) -> None:
    """Print a message on standard error."""
    from rich.text import Text

    lines = "\n".join(one_line(line) for line in message.split("\n"))
    _consoles()["errors"].print(Text(f"comporta: {lines}"), soft_wrap=True)


def one_line(text: str) -> str:
    """Return the text without control characters: a text of others must not send escapes to this terminal."""
    return printable(text)


def local_time(moment: datetime, timespec: str) -> str:
    """Return a time in the time zone of this machine, as ISO 8601 with the precision `timespec`."""
    try:
        return moment.astimezone().isoformat(timespec=timespec)
    except OverflowError:
        # East of UTC the end of the year 9999 falls in the year 10000, which Python can't represent.
        return moment.isoformat(timespec=timespec)


def print_json(value: Any) -> None:
    """Print one JSON document."""
    typer.echo(json.dumps(value, default=_plain, ensure_ascii=False))


def print_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], empty: str) -> None:
    """Print rows as a table, or the text `empty` if there are none."""
    console = _consoles()["console"]
    if not rows:
        console.print(empty)
        return
    cells = [[_cell(row.get(column), column) for column in columns] for row in rows]
    console.print(fitting([_HEADS.get(name, name) for name in columns], cells, console.width))


def _cell(value: Any, column: str) -> str:
    if column == _POINTER:
        return one_line(field_path(str(value or "")))
    if value is None:
        return ""
    if isinstance(value, datetime):
        return local_time(value, "seconds").replace("T", " ")
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
    return one_line(text)


def _plain(value: Any) -> str:
    # In the format of the API, so that a script reads the same from both.
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else str(value)


def translate(name: str, **values: object) -> str:
    """Return a text with its values, in Portuguese if the locale is Portuguese, else in English."""
    return _TEXTS[name][_portuguese()].format(**values)


def _portuguese() -> bool:
    locales = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return next((locale for locale in locales if locale), "").lower().startswith("pt")
