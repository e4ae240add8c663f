"""`comporta tail`."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from comporta.cli.options import check_domain
from comporta.cli.output import AsJson, console, fail, one_line
from comporta.runtime.settings import load_settings
from comporta.runtime.threads import stop_on_signals
from rules.outcomes import Outcome
from schemas.domains import DOMAIN_NAMES
from storage.engine import masked
from storage.errors import SchemaOutdated, Unavailable

if TYPE_CHECKING:
    from storage.tail import OutcomeBatch, OutcomeTail, TailPage

__all__ = ["tail"]

_POLL_SECONDS = 0.25
_COLOURS = {
    Outcome.APPLIED: typer.colors.GREEN,
    Outcome.SUPERSEDED: typer.colors.BLUE,
    Outcome.DISCARDED: typer.colors.YELLOW,
    Outcome.QUARANTINED: typer.colors.RED,
}
OutcomeRow = dict[str, Any]


def tail(
    shop: Annotated[str | None, typer.Option(help="Only this shop.")] = None,
    domain: Annotated[str | None, typer.Option(help="Only this domain.")] = None,
    outcome: Annotated[Outcome | None, typer.Option(help="Only this outcome.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Stop after this many seconds.", min=0.1, max=1e9)] = None,
    as_json: AsJson = False,
) -> None:
    """Show outcomes as they are committed, by any process on the database of the settings, until Ctrl-C.

    With SQLite, run it on the machine and as the user of the process that holds the file.
    """
    # Loaded here: Alembic and the tables are slow to load, and most commands need neither.
    from storage.database import open_database

    if domain is not None:
        check_domain("--domain: ", domain, DOMAIN_NAMES)
    settings = load_settings()
    database = open_database(settings.database_url, login=settings.database_login)
    where = masked(settings.database_url)
    if not database.is_there:
        raise fail(
            f"{where} does not exist: was `comporta run` started in this folder? COMPORTA_DATABASE_URL sets another"
        )
    database.require_current()
    filters = {name: value for name, value in (("shop", shop), ("domain", domain), ("outcome", outcome)) if value}
    stop = threading.Event()
    stop_on_signals(stop)
    format_page = _json_lines if as_json else _text_lines
    with database.watch() as watcher:
        _note(f"watching {where}; Ctrl-C ends")
        for page in _pages(watcher, stop, seconds):
            # Written as one text: a flush per line would be slower than the workers.
            if lines := list(format_page(page, filters)):
                typer.echo("\n".join(lines))
    database.close()


def _pages(watcher: OutcomeTail, stop: threading.Event, seconds: float | None) -> Iterator[TailPage]:
    """Yield the pages of outcomes until the end, and a last one after it."""
    end = time.monotonic() + seconds if seconds is not None else None
    ending = False
    while not ending:
        ending = stop.is_set() or (end is not None and time.monotonic() >= end)
        try:
            page = watcher.look()
        except SchemaOutdated:
            raise
        except Unavailable as error:
            _note(f"{error}; trying again")
            stop.wait(4 * _POLL_SECONDS)
            continue
        yield page
        if not page.more:
            stop.wait(_POLL_SECONDS if end is None else max(0.0, min(_POLL_SECONDS, end - time.monotonic())))


def _note(text: str) -> None:
    typer.echo(f"comporta: {text}", err=True)


def _json_lines(page: TailPage, filters: OutcomeRow) -> Iterator[str]:
    for count in _lost(page):
        yield json.dumps({"lost_batches": count})
    for batch in page.batches:
        at = batch.at.isoformat()
        for line in _filtered(batch, filters):
            yield json.dumps({"at": at, **line}, ensure_ascii=False)
        if batch.left_out:
            yield json.dumps({"at": at, "left_out": batch.left_out})


def _text_lines(page: TailPage, filters: OutcomeRow) -> Iterator[str]:
    for count in _lost(page):
        number = "Batches" if count is None else f"{count} batches"
        yield f"… {number} are missing here: this command was suspended, or slower than the workers"
    for batch in page.batches:
        at = batch.at.astimezone().isoformat(sep=" ", timespec="milliseconds")[11:23]
        for line in _filtered(batch, filters):
            yield f"{at} {_row(line)}"
        if batch.left_out:
            yield f"{at} … {batch.left_out:,} more outcomes of this batch are left out"


def _lost(page: TailPage) -> Iterator[int | None]:
    if page.lapsed:
        yield None
    if page.removed:
        yield page.removed


def _filtered(batch: OutcomeBatch, filters: OutcomeRow) -> Iterator[OutcomeRow]:
    return (line for line in batch.lines if filters.items() <= line.items())


def _row(line: OutcomeRow) -> str:
    key = "?" if line["key"] is None else "/".join(line["key"].values()).rstrip("/")
    version = "" if line["version"] is None else str(line["version"])
    outcome = typer.style(line["outcome"], _COLOURS[line["outcome"]]) if console.is_terminal else line["outcome"]
    reason = f" {line['reason']} {line['pointer']}" if line["reason"] else ""
    text = f"{line['shop']:10} {line['domain']:12} {key:30} {version:>16}"
    return f"{one_line(text)} {outcome}{reason}".rstrip()
