"""`comporta prune` and `comporta pauses`, and the upkeep of a running process."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from storage.tables import audit, ledger, quarantine
from storage.views import AuditFilter
from tests.support.programs import Programs
from tests.support.services.ports import free_port
from tests.support.views_harness import ViewsHarness, rejected_delivery
from tests.support.wait import wait_until

LONG_AGO = datetime.now(UTC).replace(minute=7, second=0, microsecond=0) - timedelta(days=90)


@pytest.fixture
def storage(sqlite_url: str) -> Iterator[ViewsHarness]:
    storage = ViewsHarness(sqlite_url)
    storage.store.commit([rejected_delivery(), rejected_delivery(b"2")])
    row = {"worker": "w", "shop": "main", "domain": "stock", "outcome": "applied", "count": 3}
    storage.fill(ledger, [{"minute": LONG_AGO + timedelta(minutes=minute), **row} for minute in range(100)])
    with storage.engine.begin() as connection:
        connection.execute(update(quarantine).values(at=LONG_AGO))
    yield storage
    storage.engine.dispose()


def count(storage: ViewsHarness, table: Any) -> int:
    with storage.engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def test_prune_shows_what_is_due_asks_and_does_it(programs: Programs, storage: ViewsHarness, sqlite_url: str) -> None:
    settings = {"DATABASE_URL": sqlite_url, "KEEP_QUARANTINE": 30}
    due = programs.run("prune", "--dry-run", "--json", **settings)
    assert due.json == [
        {"kind": "ledger", "due": 100, "done": 0},
        {"kind": "quarantine", "due": 2, "done": 0},
    ]
    asked = programs.run("prune", **settings)
    assert (asked.code, "Delete 2 rows for good?" in asked.err) == (2, True)
    assert (count(storage, quarantine), count(storage, ledger) > 100) == (2, True)
    done = programs.run("prune", "--yes", "--why", "spring cleaning", **settings)
    assert done.code == 0, done.err
    assert count(storage, quarantine) == 0
    assert storage.views.totals()["stock"]["applied"] == 300
    [entry] = storage.views.rows(AuditFilter())
    assert (entry["action"], entry["reason"], entry["result"]) == ("prune", "spring cleaning", "done")


def test_prune_makes_messages_of_former_workers_searchable_without_asking(
    programs: Programs, storage: ViewsHarness, sqlite_url: str
) -> None:
    with storage.engine.begin() as connection:
        connection.execute(update(quarantine).values(search_text=None))
    due = programs.run("prune", "--dry-run", "--json", DATABASE_URL=sqlite_url)
    assert {"kind": "search_texts", "due": 2, "done": 0} in due.json
    done = programs.run("prune", DATABASE_URL=sqlite_url)
    assert (done.code, "search_texts: refused messages to be made searchable" in done.out) == (0, True), done.err
    again = programs.run("prune", "--dry-run", "--json", DATABASE_URL=sqlite_url)
    assert "search_texts" not in again.out
    assert count(storage, quarantine) == 2


def test_a_running_process_rolls_up_by_itself_and_deletes_nothing(
    programs: Programs, storage: ViewsHarness, sqlite_url: str
) -> None:
    programs.start("run", DATABASE_URL=sqlite_url, ADMIN_PORT=free_port(), LOG_FORMAT="json").wait_for("upkeep done")
    assert storage.views.totals()["stock"]["applied"] == 300
    with storage.engine.connect() as connection:
        rows = connection.execute(select(ledger.c.minute, ledger.c.worker).where(ledger.c.outcome == "applied")).all()
    assert [(row.minute.hour, row.worker) for row in rows] == [(0, "")] * len(rows)
    assert len(rows) <= 2
    assert count(storage, quarantine) == 2


def test_the_cost_of_a_pause_is_shown_by_the_running_process(
    programs: Programs, storage: ViewsHarness, sqlite_url: str
) -> None:
    port = free_port()
    settings = {"DATABASE_URL": sqlite_url, "ADMIN_PORT": port}
    program = programs.start("run", LOG_FORMAT="json", **settings)
    program.wait_for("listening")
    epoch = programs.run("pause", "--reason", "stock count", "--json", **settings).json["epoch"]
    assert programs.run("resume", "--reason", "done", **settings).code == 0

    def is_counted() -> bool:
        report = programs.run("pauses", "show", str(epoch), "--json", **settings).json
        return bool(report["made_good_at"])

    wait_until(is_counted, what="the pause to be counted")
    assert "stock count" in programs.run("pauses", "list", **settings).out
    missing = programs.run("pauses", "show", "999", **settings)
    assert (missing.code, "no pause began with the epoch 999" in missing.err) == (1, True)
    assert count(storage, audit) == 2
