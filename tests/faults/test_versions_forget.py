"""Versions are forgotten by a process that is killed in the middle, and then by another one to the end."""

from __future__ import annotations

import signal
from pathlib import Path

from sqlalchemy import func, select

from rules.outcomes import Outcome
from rules.versions import FORGOTTEN
from storage.entity_tables import ENTITY_TABLES
from storage.views import AuditFilter
from tests.support.programs import running_programs
from tests.support.storage_harness import StorageHarness, stock_change
from tests.support.wait import wait_until

KEYS = 20_000
STOCK = ENTITY_TABLES["stock"]


def forgotten(place: StorageHarness) -> int:
    with place.engine.connect() as connection:
        query = select(func.count()).select_from(STOCK).where(STOCK.c.version == FORGOTTEN)
        return connection.execute(query).scalar_one()


def test_forgetting_survives_a_kill(any_database_url: str, tmp_path: Path) -> None:
    place = StorageHarness(any_database_url)
    for start in range(0, KEYS, 500):
        place.commit(*(stock_change(2**61, f"P{number:06}") for number in range(start, start + 500)))
    # The command line goes to the database by itself; no broker is asked.
    settings = {"BROKER_URL": "amqp://127.0.0.1:1/", "DATABASE_URL": any_database_url}
    command = ("versions", "forget", "--shop", "main", "--domain", "stock", "--reason", "restored")
    with running_programs(tmp_path) as programs:
        program = programs.start(*command, **settings)
        wait_until(lambda: forgotten(place) > 0 or not program.alive, what="the first keys to be forgotten")
        program.send(signal.SIGKILL)
        assert program.wait() == -signal.SIGKILL
        assert 0 < forgotten(place) < KEYS
        assert place.change("pause").result == "off"
        assert place.change("resume").result == "on"
        done = programs.run(*command, "--json", **settings)
        assert done.code == 0, done.err
        assert done.json["forgotten"] == done.json["keys"]
    assert forgotten(place) == KEYS
    assert place.commit(stock_change(1, "P000000"), stock_change(1, f"P{KEYS - 1:06}")) == {Outcome.APPLIED: 2}
    results = {
        row["result"]: row["count"] for row in place.views.rows(AuditFilter()) if row["action"] == "versions-forget"
    }
    assert results.keys() == {"begun", "done"}
    assert sum(results.values()) == KEYS
    place.engine.dispose()
