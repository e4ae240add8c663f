"""The disk of the database: watched beside a SQLite file, and full when the database says so."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from storage import disk
from storage.disk import DiskFull, DiskWatch
from storage.engine import open_engine
from storage.errors import Unavailable, translated


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(f"sqlite:///{tmp_path}/new.db")
    yield engine
    engine.dispose()


def test_too_little_room_beside_the_file_is_named(engine: Engine) -> None:
    DiskWatch(engine, 1).check()
    with pytest.raises(DiskFull, match="MB left"):
        DiskWatch(engine, 10**18).check()


def test_a_database_that_has_just_been_full_is_full_for_a_while(engine: Engine) -> None:
    now = [0.0]
    watch = DiskWatch(engine, 0, lambda: now[0])
    watch.check()
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE t (x)"))
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()
        connection.execute(text(f"PRAGMA max_page_count = {pages}"))
        with pytest.raises(Unavailable, match="the disk of the database is full"), translated():
            connection.execute(text("INSERT INTO t VALUES (zeroblob(1000000))"))
    with pytest.raises(DiskFull, match="is full"):
        watch.check()
    now[0] = disk._FULL_SECONDS + 1
    watch.check()


def test_another_error_says_nothing_of_the_disk(engine: Engine) -> None:
    watch = DiskWatch(engine, 0)
    with engine.connect() as connection, pytest.raises(Unavailable), translated():
        connection.execute(text("SELECT * FROM nowhere"))
    watch.check()


def test_the_folder_that_is_gone_is_the_databases_own_fault(tmp_path: Path) -> None:
    DiskWatch(open_engine(f"sqlite:///{tmp_path}/gone/x.db"), 10**18).check()


def test_a_postgresql_that_is_full_says_so(postgres_full_error: Exception) -> None:
    assert disk._is_full(postgres_full_error)


@pytest.fixture
def postgres_full_error() -> Exception:
    """The driver's own error; no test fills a server's disk."""
    import psycopg.errors

    return psycopg.errors.DiskFull("could not extend file")


def test_the_file_is_the_users_alone_and_one_that_exists_keeps_its_mode(tmp_path: Path, engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE t (x)"))
        files = {each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.glob("new.db*")}
    assert files == {"new.db": 0o600, "new.db-wal": 0o600, "new.db-shm": 0o600}
    old = tmp_path / "old.db"
    old.touch(0o640)
    old.chmod(0o640)
    with open_engine(f"sqlite:///{old}").connect() as connection:
        connection.execute(text("CREATE TABLE t (x)"))
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
