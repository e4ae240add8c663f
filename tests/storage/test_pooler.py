"""pgbouncer in transaction mode: limits hold, nothing is prepared, and the fence knows the server's connections."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from storage.engine import LIMITS_MS, open_engine
from storage.errors import SchemaOutdated, StorageError, Unavailable, translated
from storage.fence import PostgresFence
from storage.narrow_index import Narrowing, narrow_missed
from storage.pooler import is_pooled, server_pid, unlimited
from tests.support.programs import running_programs
from tests.support.services.pgbouncer import PgBouncer
from tests.support.services.ports import free_port
from tests.support.services.postgres import Database
from tests.support.wait import wait_until
from tests.support.wide_missed import widen_missed

SHOWN = {"lock_timeout": "10s", "statement_timeout": "20s", "idle_in_transaction_session_timeout": "5s"}
EVENT = {
    "specversion": "1.0",
    "id": "1",
    "source": "/erp",
    "type": "erp.stock.changed.v1",
    "time": "2026-11-23T07:22:51Z",
    "sequence": "1",
    "data": {
        "product_code": "a",
        "branch": "1",
        "warehouse": "M",
        "on_hand": "12",
        "unit": "UN",
        "as_of": "2026-11-23T07:22:51Z",
    },
}


@pytest.fixture(scope="module", params=[False, True], ids=["refuses options", "ignores options"])
def pooler(request: pytest.FixtureRequest, postgres: Database) -> Iterator[PgBouncer]:
    pooler = PgBouncer(postgres.url("postgres"), ignores_options=request.param)
    try:
        pooler.start()
        yield pooler
    finally:
        pooler.close()


@pytest.fixture
def pooled_url(pooler: PgBouncer, database_url: str) -> str:
    return pooler.url(database_url)


@pytest.fixture
def engine(pooled_url: str) -> Iterator[Engine]:
    engine = open_engine(pooled_url)
    yield engine
    engine.dispose()


def shown(engine: Engine) -> dict[str, str]:
    """The time limits in a transaction."""
    with engine.begin() as connection:
        return {name: connection.execute(text(f"SHOW {name}")).scalar_one() for name in LIMITS_MS}


def test_every_transaction_has_the_limits_and_utc(engine: Engine) -> None:
    assert shown(engine) == SHOWN
    with engine.begin() as connection:
        assert (is_pooled(connection), unlimited(connection)) == (True, True)
        assert connection.execute(text("SHOW timezone")).scalar_one() == "UTC"


def test_a_direct_connection_is_as_before(database_url: str) -> None:
    engine = open_engine(database_url)
    try:
        assert shown(engine) == SHOWN
        with engine.connect() as connection:
            assert (is_pooled(connection), unlimited(connection)) == (False, False)
            driver = connection.connection.driver_connection
            assert (driver.prepare_threshold, driver.info.backend_pid) == (5, server_pid(connection))
    finally:
        engine.dispose()


def test_many_connections_repeat_their_statements_over_few_of_the_server(engine: Engine) -> None:
    failed: list[Exception] = []

    def work(number: int) -> None:
        try:
            for _ in range(40):
                with engine.begin() as connection:
                    statement = text("SELECT CAST(:number AS int) + CAST(:more AS int)")
                    assert connection.execute(statement, {"number": number, "more": 1}).scalar_one() == number + 1
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []


def test_a_holder_that_hangs_is_ended_and_the_waiting_change_is_not(engine: Engine) -> None:
    fence = PostgresFence(engine, report_after=0.2, limit=0.4)
    held, done = threading.Event(), threading.Event()

    def hang() -> None:
        try:
            with fence.shared():
                held.set()
                done.wait(30)
        except StorageError:
            pass

    thread = threading.Thread(target=hang)
    thread.start()
    assert held.wait(30)
    with fence.exclusive() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
    done.set()
    thread.join(30)


def test_limits_of_the_database_user_are_left_alone(pooler: PgBouncer, postgres: Database, database_url: str) -> None:
    name = database_url.rpartition("/")[2]
    with psycopg.connect(database_url, autocommit=True) as connection:
        for setting in LIMITS_MS:
            connection.execute(f"ALTER DATABASE \"{name}\" SET {setting} = '7s'".encode())
    engine = open_engine(pooler.url(database_url))
    try:
        assert shown(engine) == dict.fromkeys(SHOWN, "7s")
        with engine.begin() as connection:
            assert (is_pooled(connection), unlimited(connection)) == (True, False)
    finally:
        engine.dispose()


def test_a_statement_timeout_of_the_administrator_is_named_and_waited_for(
    pooled_url: str, database_url: str, tmp_path: Path
) -> None:
    name = database_url.rpartition("/")[2]
    limits = {"lock_timeout": "9s", "statement_timeout": "300ms", "idle_in_transaction_session_timeout": "9s"}
    with psycopg.connect(database_url, autocommit=True) as administrator, running_programs(tmp_path) as programs:
        for setting, value in limits.items():
            administrator.execute(f"ALTER DATABASE \"{name}\" SET {setting} = '{value}'".encode())
        port = free_port()
        program = programs.start("run", DATABASE_URL=pooled_url, ADMIN_PORT=port, LOG_FORMAT="json")
        program.wait_for("listening")
        found = programs.run("doctor", DATABASE_URL=pooled_url, ADMIN_PORT=port)
        assert "a statement may take 0.3 s only" in found.out
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=program.bearer, timeout=30) as client:
            headers = {"content-type": "application/cloudevents+json"}
            with psycopg.connect(database_url) as other:
                other.execute("LOCK TABLE stock")
                assert client.post("/events", json=EVENT, headers=headers).status_code == 202
                [away, *_] = program.wait_for("database away")
                assert "57014" in away["error"]
                assert "statement_timeout" in away["error"]
            wait_until(
                lambda: any(row["outcome"] == "applied" for row in client.get("/api/ledger").json()), what="an outcome"
            )
        program.wait_for("database answers again")
        assert program.stop() == 0


@pytest.mark.parametrize("error", [psycopg.errors.DuplicatePreparedStatement, psycopg.errors.InvalidSqlStatementName])
def test_mixed_up_statements_are_no_reason_to_migrate(error: type[psycopg.Error]) -> None:
    with pytest.raises(Unavailable, match="pooler") as raised, translated():
        raise DBAPIError("SELECT 1", {}, error("x"))
    assert not isinstance(raised.value, SchemaOutdated)
    assert "migrate" not in str(raised.value)


def test_a_process_applies_events_and_pauses_and_doctor_names_the_pooler(pooled_url: str, tmp_path: Path) -> None:
    with running_programs(tmp_path) as programs:
        port = free_port()
        program = programs.start("run", DATABASE_URL=pooled_url, ADMIN_PORT=port, LOG_FORMAT="json")
        program.wait_for("listening")
        assert program.logged("the database is reached through a pooler", limits="set in each transaction")
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=program.bearer, timeout=30) as client:
            headers = {"content-type": "application/cloudevents+json"}
            for number in range(1, 31):
                event = {**EVENT, "id": str(number), "sequence": str(number)}
                assert client.post("/events", json=event, headers=headers).status_code == 202
            wait_until(
                lambda: any(row["outcome"] == "applied" for row in client.get("/api/ledger").json()), what="an outcome"
            )
            assert client.post("/api/pause", json={"reason": "a test"}).json()["result"] == "off"
            assert client.post("/api/resume", json={"reason": "a test"}).json()["result"] == "on"
            assert client.get("/readyz").status_code == 200
        found = programs.run("doctor", DATABASE_URL=pooled_url, ADMIN_PORT=port)
        assert "a pooler stands before it and drops the time limits" in found.out
        assert "ALTER ROLE" in found.out
        assert not [line for line in program.log if line["level"] == "error"]
        assert program.stop() == 0


@pytest.mark.parametrize("patient", [False, True])
def test_the_missed_keys_index_is_narrowed_through_it(engine: Engine, *, patient: bool) -> None:
    widen_missed(engine)
    fence = PostgresFence(engine)
    assert narrow_missed(fence, patient=patient) is Narrowing.NARROWED
    assert narrow_missed(fence, patient=patient) is Narrowing.NARROW
