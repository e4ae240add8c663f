"""The fence's lock in the hands of another database role: named with the way out, and never called terminated."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from structlog.testing import CapturingLogger

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


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> CapturingLogger:
    """What the fence logs."""
    log = CapturingLogger()
    monkeypatch.setattr("storage.fence.log", log)
    return log


def said(log: CapturingLogger, level: str) -> list[dict[str, Any]]:
    """The entries of a level."""
    return [{"event": call.args[0], **call.kwargs} for call in log.calls if call.method_name == level]


def test_a_holder_of_another_role_is_named_once_and_the_change_holds_when_it_is_gone(
    roles: tuple[str, str], log: CapturingLogger
) -> None:
    ours, other = roles
    engine = open_engine(ours)
    fence = PostgresFence(engine, report_after=0.1, limit=0.2)
    entered = threading.Event()

    def change() -> None:
        with fence.exclusive():
            entered.set()

    with psycopg.connect(other, autocommit=True, application_name="a stranger") as holder:
        holder.execute(TAKE.encode())
        waiting = threading.Thread(target=change)
        waiting.start()
        found = wait_until(lambda: said(log, "error"), what="the holder to be named")
        [facts] = [each for each in check_up(engine).holders if each.role != ours]
        holder.execute(b"SELECT pg_advisory_unlock_all()")
        waiting.join(20)
        pid = holder.info.backend_pid
    assert entered.is_set()
    entry = found[0]
    assert "another database role" in entry["event"]
    assert (entry["pid"], entry["application"], facts.pid) == (pid, "a stranger", pid)
    assert entry["role"] == facts.role == other.partition("//")[2].partition("@")[0]
    assert f"pg_terminate_backend({pid})" in entry["way_out"]
    assert [each["event"] for each in said(log, "warning")] == ["fence held"]
    assert len(said(log, "error")) == 1
    engine.dispose()


def test_a_holder_of_our_own_role_is_terminated(roles: tuple[str, str], log: CapturingLogger) -> None:
    ours, _ = roles
    engine = open_engine(ours)
    fence = PostgresFence(engine, report_after=0.1, limit=0.2)
    with psycopg.connect(ours, autocommit=True) as holder:
        holder.execute(TAKE.encode())
        with fence.exclusive():
            pass
        with pytest.raises(psycopg.OperationalError):
            holder.execute(b"SELECT 1")
    # The change may go on a moment before the line is written.
    wait_until(lambda: len(said(log, "warning")) > 1, what="the end of the holder to be logged")
    assert [each["event"] for each in said(log, "warning")][:2] == ["fence held", "fence holder terminated"]
    engine.dispose()
