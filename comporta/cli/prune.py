"""`comporta prune`."""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Annotated

import typer

from comporta.cli.options import Why, Yes, audit_context, confirm
from comporta.cli.output import AsJson, console, fail, print_json, print_rows
from comporta.runtime.settings import load_settings
from comporta.runtime.threads import stop_on_signals
from storage.engine import masked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from storage.upkeep import Upkeep

__all__ = ["prune"]

_WAIT_SECONDS = 90.0
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count the rows.")]


def prune(dry_run: DryRun = False, why: Why = None, yes: Yes = False, as_json: AsJson = False) -> None:
    """Roll up the ledger and delete rows past their retention (COMPORTA_KEEP_…), as each process does by itself.

    Whatever is rolled up keeps its sums.
    """
    # Loaded here: the tables are slow to load, and most commands don't need them.
    from control.upkeep import run_upkeep
    from storage.audit import AuditEntry, AuditLog
    from storage.database import open_database
    from storage.upkeep import TEXTS, Upkeep

    context = audit_context(why)
    settings = load_settings()
    database = open_database(settings.database_url)
    if not database.is_there:
        raise fail(f"{masked(settings.database_url)} does not exist; COMPORTA_DATABASE_URL names the database")
    database.require_current()
    upkeep = Upkeep(database.fence, settings.retention, f"{socket.gethostname()}-{os.getpid()}-prune")
    due = upkeep.counts()
    if dry_run or not any(due.values()):
        _show(due, {}, as_json)
        return
    deleted = sum(count for kind, count in due.items() if kind not in {"ledger", TEXTS})
    if deleted:
        confirm(f"Delete {deleted:,} rows for good?", yes=yes)
    stop = threading.Event()
    stop_on_signals(stop)
    _claim(upkeep, stop)
    try:
        with AuditLog(database.fence).open(AuditEntry("prune", context)) as entry:
            gone = run_upkeep(upkeep, stop)
            AuditLog(database.fence).add(entry.id, gone.total())
    finally:
        upkeep.release()
        database.close()
    _show(due, gone, as_json)


def _claim(upkeep: Upkeep, stop: threading.Event) -> None:
    until = time.monotonic() + _WAIT_SECONDS
    while not upkeep.claim():
        if time.monotonic() > until or stop.wait(1.0):
            raise fail("a running process does the upkeep just now, and does the same; repeat the command later")


def _show(due: Mapping[str, int], gone: Mapping[str, int], as_json: bool) -> None:
    rows = [{"kind": kind, "due": count, "done": gone.get(kind, 0)} for kind, count in due.items()]
    if as_json:
        print_json(rows)
        return
    print_rows(rows, ("kind", "due", "done"), "")
    from storage.upkeep import TEXTS

    texts = f"{TEXTS}: refused messages to be made searchable; " if TEXTS in due else ""
    others = "others: rows to be deleted. A kind that is not shown is kept for ever"
    console.print(f"ledger: rows to be rolled up; {texts}{others}")
