"""The fence's lock in the hands of another database role: named with the way out, and never called terminated."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

from storage.diagnostics import check_up
from storage.engine import open_engine
from storage.fence import PostgresFence
from tests.support.wait import wait_until

TAKE = "SELECT pg_advisory_lock(x'434F4D50'::int, 1)"


@pytest.fixture
def roles(database_url: str) -> Iterator[tuple[str, str]]:
    """URLs of two roles: one that Comporta may use, and one that only may connect."""
    name = database_url.rpartition("/")[2]
    ours, other = f"{name}_ours", f"{name}_other"
    with psycopg.connect(database_url, autocommit=True) as connection:
        for role in (ours, other):
            connection.execute(f"CREATE ROLE {role} LOGIN".encode())
        connection.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {ours}".encode())
    yield database_url.replace("comporta@", f"{ours}@"), database_url.replace("comporta@", f"{other}@")
    with psycopg.connect(database_url, autocommit=True) as connection:
        for role in (ours, other):
            connection.execute(f"DROP OWNED BY {role}".encode())
            connection.execute(f"DROP ROLE {role}".encode())


def test_a_holder_of_another_role_is_named_once_and_the_change_holds_when_it_is_gone(roles: tuple[str, str]) -> None:
    ours, other = roles
    engine = open_engine(ours)
    fence = PostgresFence(engine, report_after=0.1, limit=0.2)
    entered = threading.Event()

    def change() -> None:
        with fence.exclusive():
            entered.set()

    with capture_logs() as logs, psycopg.connect(other, autocommit=True, application_name="a stranger") as holder:
        holder.execute(TAKE.encode())
        waiting = threading.Thread(target=change)
        waiting.start()
        found = wait_until(lambda: [entry for entry in logs if entry["log_level"] == "error"], what="the holder named")
        [facts] = [each for each in check_up(engine).holders if each.role != ours]
        wait_until(lambda: len([entry for entry in logs if entry["event"] == "fence held"]) == 1, what="one report")
        holder.execute(b"SELECT pg_advisory_unlock_all()")
        waiting.join(20)
        pid = holder.info.backend_pid
    assert entered.is_set()
    entry: dict[str, Any] = dict(found[0])
    assert "another database role" in entry["event"]
    assert (entry["pid"], entry["application"], facts.pid) == (pid, "a stranger", pid)
    assert entry["role"] == facts.role == other.partition("//")[2].partition("@")[0]
    assert f"pg_terminate_backend({pid})" in entry["way_out"]
    assert not [each for each in logs if "terminated" in each["event"]]
    engine.dispose()


def test_a_holder_of_our_own_role_is_terminated(roles: tuple[str, str]) -> None:
    ours, _ = roles
    engine = open_engine(ours)
    fence = PostgresFence(engine, report_after=0.1, limit=0.2)
    with capture_logs() as logs, psycopg.connect(ours, autocommit=True) as holder:
        holder.execute(TAKE.encode())
        with fence.exclusive():
            pass
        with pytest.raises(psycopg.OperationalError):
            holder.execute(b"SELECT 1")
    assert [entry["event"] for entry in logs if entry["log_level"] == "warning"][-1] == "fence holder terminated"
    engine.dispose()
