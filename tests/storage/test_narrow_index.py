"""The end of an upgrade: the narrow index takes the place of the missed keys' primary key, beside the flow."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, select, text, update
from typer.testing import CliRunner

from comporta.cli.main import app
from control.upkeep import UpkeepLoop
from rules.retention import Retention
from storage.dialect import database_now
from storage.engine import open_engine
from storage.errors import RowRefused, SchemaOutdated, Unavailable
from storage.event_store import EventStore
from storage.fence import fence_for
from storage.migrate import newest_revision
from storage.missed_index import is_narrow
from storage.narrow_index import Narrowing, narrow_missed
from storage.repair_progress import RepairProgress
from storage.tables import missed, workers
from storage.upkeep import Upkeep
from storage.views import MissedFilter
from storage.workers import WorkerRegistry
from tests.support.storage_harness import StorageHarness, stock_change
from tests.support.wide_missed import widen_missed

UNIQUE = text(
    "SELECT array_agg(c.relname ORDER BY c.relname) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
    "WHERE i.indrelid = to_regclass('missed') AND i.indisunique AND i.indisvalid"
)
# As workers of a former release say it.
FORMER = text(
    "INSERT INTO missed (domain, shop, key, version, event_id, discarded_at) "
    "VALUES ('stock', 'main', '{}', 1, 'e', now()) "
    "ON CONFLICT (domain, shop, key) DO UPDATE SET version = excluded.version"
)


class UpgradedHarness(StorageHarness):
    """A database that was upgraded, with the primary key still there."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        widen_missed(self.engine)

    def unique_indexes(self) -> list[str]:
        with self.engine.connect() as connection:
            found: list[str] = connection.scalar(UNIQUE) or []
        return found

    def is_narrow(self) -> bool:
        with self.engine.connect() as connection:
            return is_narrow(connection)

    def beat(self, worker: str, revision: str | None, age: timedelta = timedelta(0)) -> None:
        """Write the heartbeat of a worker that knows the database up to a revision."""
        WorkerRegistry(self.fence, worker, ["stock"]).beat()
        with self.fence.shared() as connection:
            values = {"revision": revision, "last_seen": database_now(connection) - age}
            connection.execute(update(workers).where(workers.c.id == worker).values(values))


@pytest.fixture
def harness(database_url: str) -> Iterator[UpgradedHarness]:
    harness = UpgradedHarness(database_url)
    yield harness
    harness.engine.dispose()


@contextmanager
def other_transaction(engine: Engine, lock: str) -> Iterator[None]:
    """Keep a lock on the missed keys in an open transaction."""
    other = open_engine(engine.url.render_as_string(hide_password=False))
    with other.connect() as connection:
        connection.exec_driver_sql(f"LOCK TABLE missed IN {lock} MODE")
        yield
    other.dispose()


def test_a_heartbeat_names_the_newest_revision_that_the_worker_knows(harness: UpgradedHarness) -> None:
    WorkerRegistry(harness.fence, "w1", ["stock"]).beat()
    with harness.engine.connect() as connection:
        assert connection.scalar(select(workers.c.revision)) == newest_revision()


@pytest.mark.parametrize("revision", [None, "0036"])
def test_the_primary_key_stays_while_a_former_worker_runs(harness: UpgradedHarness, revision: str | None) -> None:
    harness.beat("new", newest_revision())
    harness.beat("former", revision, timedelta(minutes=59))
    assert narrow_missed(harness.fence) is Narrowing.FORMER_WORKERS
    assert harness.unique_indexes() == ["missed_pkey"]
    harness.beat("former", revision, timedelta(minutes=61))
    assert narrow_missed(harness.fence) is Narrowing.NARROWED
    assert harness.unique_indexes() == ["missed_values"]
    assert narrow_missed(harness.fence) is Narrowing.NARROW


def test_batches_go_on_beside_it_and_each_key_is_missed_once(harness: UpgradedHarness) -> None:
    harness.change("pause")
    ended, failures = threading.Event(), list[BaseException]()
    begun = threading.Barrier(3)

    def discard(worker: int) -> None:
        try:
            store = EventStore(harness.fence, harness.switchboard, f"w{worker}")
            version = 0
            while not ended.is_set() or version < 10:
                version += 1
                # Of half of the keys both workers discard events.
                codes = sorted({f"P{number:03}" for number in range(50 * worker, 50 * worker + 100)})
                store.commit([stock_change(version, code) for code in codes])
                if version == 5:
                    begun.wait()
        except BaseException as error:
            failures.append(error)
            begun.abort()

    threads = [threading.Thread(target=discard, args=(worker,)) for worker in range(2)]
    for thread in threads:
        thread.start()
    begun.wait()
    assert narrow_missed(harness.fence) is Narrowing.NARROWED
    ended.set()
    for thread in threads:
        thread.join()
    assert failures == []
    rows = harness.views.rows(MissedFilter(), 1000)
    assert sorted(row["key"]["product_code"] for row in rows) == [f"P{number:03}" for number in range(150)]
    harness.change("resume")
    harness.commit(*(stock_change(100_000, f"P{number:03}") for number in range(150)))
    assert harness.views.rows(MissedFilter()) == []


def test_an_attempt_that_was_interrupted_is_taken_up(harness: UpgradedHarness) -> None:
    with other_transaction(harness.engine, "ROW EXCLUSIVE"), harness.engine.connect() as connection:
        # The index waits for transactions that write: interrupted there, it is left invalid.
        connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.exec_driver_sql("SET lock_timeout = '50ms'")
        with pytest.raises(Exception, match="lock timeout"):
            connection.exec_driver_sql("CREATE UNIQUE INDEX CONCURRENTLY missed_values ON missed (domain, shop, key)")
        connection.exec_driver_sql("RESET lock_timeout")
    assert harness.unique_indexes() == ["missed_pkey"]
    assert narrow_missed(harness.fence) is Narrowing.NARROWED
    assert harness.unique_indexes() == ["missed_values"]
    harness.change("pause")
    harness.commit(stock_change(1))
    harness.commit(stock_change(2))
    assert [row["version"] for row in harness.views.rows(MissedFilter())] == [2]


def test_an_index_that_can_not_be_made_is_not_left_behind(harness: UpgradedHarness) -> None:
    row = {"domain": "stock", "shop": "main", "version": 1, "event_id": "e", "discarded_at": datetime.now(UTC)}
    with harness.engine.begin() as connection:
        # No event makes the second one: its text is that of the first without the name.
        connection.execute(missed.insert(), [{**row, "key": '{"lot":"1"}'}, {**row, "key": '{"1"}'}])
    with pytest.raises(RowRefused):
        narrow_missed(harness.fence)
    with harness.engine.connect() as connection:
        assert connection.scalar(text("SELECT to_regclass('missed_values')")) is None
    assert harness.unique_indexes() == ["missed_pkey"]


@pytest.mark.parametrize("lost", ["DELETE FROM generations", "DROP INDEX missed_values"])
def test_what_a_restored_backup_lacks_is_made_anew(harness: UpgradedHarness, lost: str) -> None:
    assert narrow_missed(harness.fence) is Narrowing.NARROWED
    with harness.engine.begin() as connection:
        connection.exec_driver_sql(lost)
    narrow_missed(harness.fence)
    assert harness.is_narrow()
    assert harness.unique_indexes() == ["missed_values"]


def test_the_migration_is_the_last_step_where_no_worker_may_change_tables(
    harness: UpgradedHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPORTA_DATABASE_URL", harness.engine.url.render_as_string(hide_password=False))
    harness.beat("former", None)
    assert "keep their primary key until" in CliRunner().invoke(app, ["migrate"]).output
    harness.beat("former", None, timedelta(minutes=61))
    assert "have the narrow index now" in CliRunner().invoke(app, ["migrate"]).output
    assert "missed keys" not in CliRunner().invoke(app, ["migrate"]).output
    assert harness.is_narrow()


def test_a_reader_that_stays_is_not_waited_for_by_batches(harness: UpgradedHarness) -> None:
    with harness.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        from storage.narrow_index import _CREATE

        connection.exec_driver_sql(_CREATE)
    with other_transaction(harness.engine, "ACCESS SHARE"):
        with pytest.raises(Unavailable):
            narrow_missed(harness.fence)
        assert harness.unique_indexes() == ["missed_pkey", "missed_values"]
        harness.change("pause")
        harness.commit(stock_change(1))
    assert narrow_missed(harness.fence) is Narrowing.NARROWED
    harness.commit(stock_change(2))
    assert [row["version"] for row in harness.views.rows(MissedFilter())] == [2]


def test_a_former_worker_that_writes_afterwards_is_refused_and_commits_nothing(harness: UpgradedHarness) -> None:
    with harness.fence.shared() as connection:
        connection.execute(FORMER)
    assert narrow_missed(harness.fence) is Narrowing.NARROWED
    with pytest.raises(SchemaOutdated, match="42P10"), harness.fence.shared() as connection:
        connection.execute(FORMER)
    assert len(harness.unique_indexes()) == 1


def test_a_role_that_does_not_own_the_table_leaves_it(harness: UpgradedHarness) -> None:
    with harness.engine.begin() as connection:
        connection.exec_driver_sql("CREATE ROLE comporta_test_narrow LOGIN")
        connection.exec_driver_sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO comporta_test_narrow")
    try:
        url = harness.engine.url.set(username="comporta_test_narrow").render_as_string(hide_password=False)
        other = open_engine(url)
        assert narrow_missed(fence_for(other)) is Narrowing.NOT_OWNER
        other.dispose()
    finally:
        with harness.engine.begin() as connection:
            connection.exec_driver_sql("DROP OWNED BY comporta_test_narrow")
            connection.exec_driver_sql("DROP ROLE comporta_test_narrow")


def test_the_upkeep_ends_the_upgrade_by_itself(harness: UpgradedHarness) -> None:
    upkeep = UpkeepLoop(harness.fence, Upkeep(harness.fence, Retention(), "one"), threading.Event())
    harness.beat("former", None)
    upkeep._turn(RepairProgress(harness.fence), with_retention=True)
    assert not harness.is_narrow()
    harness.beat("former", newest_revision())
    upkeep._turn(RepairProgress(harness.fence), with_retention=True)
    assert harness.is_narrow()


def test_sqlite_keeps_its_primary_key(sqlite_url: str) -> None:
    engine = open_engine(sqlite_url)
    assert narrow_missed(fence_for(engine)) is Narrowing.NARROW
    engine.dispose()
