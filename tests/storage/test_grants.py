"""`comporta grant-reader` on a real PostgreSQL: what the role may do with each table and view, and what it may not."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import Engine, inspect, text

from storage.engine import open_engine
from storage.entity_tables import ENTITY_TABLES
from storage.grants import READABLE, ReaderRefused, grant_reader
from storage.sql_views import SQL_VIEWS
from tests.support.database_roles import allowed, as_role, login_role
from tests.support.programs import Programs


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = open_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def role(engine: Engine) -> Iterator[str]:
    """A role without rights, with a name that needs quotes."""
    with login_role(engine, "Shop reader") as name:
        yield name


def test_a_reader_reads_the_shops_tables_and_views_and_nothing_else(
    engine: Engine, database_url: str, role: str
) -> None:
    with engine.begin() as connection:
        connection.execute(text(f'GRANT SELECT, UPDATE ON quarantine, orders, stock TO "{role}"'))
        connection.execute(text(f'GRANT SELECT (reason) ON audit TO "{role}"'))
    assert grant_reader(engine, role).beyond == []
    tables = [*inspect(engine).get_table_names(), *inspect(engine).get_view_names()]
    assert {*ENTITY_TABLES, *SQL_VIEWS, "audit", "quarantine", "orders", "alembic_version"} <= {*tables}
    matrix = {table: allowed(database_url, role, table) for table in tables}
    assert matrix == {table: {"SELECT"} if table in READABLE else set() for table in tables}
    with (
        psycopg.connect(as_role(database_url, role)) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("CREATE TABLE mine (id int)")


def test_a_dry_run_changes_nothing(engine: Engine, database_url: str, role: str) -> None:
    statements = grant_reader(engine, role, dry_run=True).statements
    assert len(statements) == 3
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege),
        psycopg.connect(as_role(database_url, role)) as connection,
    ):
        connection.execute("SELECT 1 FROM stock")
    grant_reader(engine, role)
    assert list(grant_reader(engine, role).statements) == list(statements)


def test_rights_that_come_by_other_ways_are_named(engine: Engine, role: str) -> None:
    group = f"group_{uuid4().hex[:8]}"
    with engine.begin() as connection:
        connection.execute(text(f'CREATE ROLE "{group}" NOLOGIN'))
        connection.execute(text(f'ALTER ROLE "{role}" NOINHERIT'))
        connection.execute(text(f'GRANT "{group}" TO "{role}"'))
        connection.execute(text(f'GRANT SELECT (body) ON quarantine TO "{group}"'))
        connection.execute(text("GRANT DELETE ON stock TO PUBLIC"))
    try:
        assert grant_reader(engine, role).beyond == ["quarantine: SELECT", "stock: DELETE"]
    finally:
        with engine.begin() as connection:
            connection.execute(text(f'DROP OWNED BY "{group}"'))
            connection.execute(text(f'DROP ROLE "{group}"'))


def test_roles_that_read_everything_anyway_are_refused(engine: Engine, role: str) -> None:
    owner = engine.url.username
    with pytest.raises(ReaderRefused, match="there is no role nobody"):
        grant_reader(engine, "nobody")
    assert owner is not None
    with pytest.raises(ReaderRefused, match="use a role of its own"):
        grant_reader(engine, owner)
    with engine.begin() as connection:
        connection.execute(text(f'GRANT pg_read_all_data TO "{role}"'))
    with pytest.raises(ReaderRefused, match="pg_read_all_data"):
        grant_reader(engine, role)


def test_a_name_is_never_sql(engine: Engine) -> None:
    with pytest.raises(ReaderRefused):
        grant_reader(engine, 'x"; DROP TABLE stock; --')
    name = f'a"b:c%d {uuid4().hex[:8]}'
    quoted = '"' + name.replace('"', '""') + '"'
    with engine.begin() as connection:
        connection.execute(text(f"CREATE ROLE {quoted}".replace(":", r"\:")))
    try:
        assert grant_reader(engine, name).beyond == []
    finally:
        with engine.begin() as connection:
            connection.execute(text(f"DROP OWNED BY {quoted}".replace(":", r"\:")))
            connection.execute(text(f"DROP ROLE {quoted}".replace(":", r"\:")))


def test_the_command_says_what_it_did_and_what_is_left(
    programs: Programs, engine: Engine, database_url: str, role: str
) -> None:
    done = programs.run("grant-reader", role, database_url=database_url)
    assert (done.code, done.out.count("GRANT SELECT ON")) == (0, 1)
    with engine.begin() as connection:
        connection.execute(text("GRANT SELECT ON audit TO PUBLIC"))
    done = programs.run("grant-reader", role, database_url=database_url)
    assert done.code == 1
    assert "audit: SELECT" in done.err
    assert "Traceback" not in done.err


def test_a_user_who_may_not_grant_is_told(programs: Programs, engine: Engine, database_url: str, role: str) -> None:
    grant_reader(engine, role)
    other = f"other_{uuid4().hex[:8]}"
    with engine.begin() as connection:
        connection.execute(text(f'CREATE ROLE "{other}"'))
        connection.execute(text(f'GRANT SELECT ON alembic_version TO "{role}"'))
    try:
        done = programs.run("grant-reader", other, database_url=as_role(database_url, role))
        assert done.code == 1
        assert "Traceback" not in done.err
        assert "only the owner" in done.err
    finally:
        with engine.begin() as connection:
            connection.execute(text(f'DROP OWNED BY "{other}"'))
            connection.execute(text(f'DROP ROLE "{other}"'))


def test_sqlite_has_no_roles(programs: Programs, sqlite_url: str) -> None:
    done = programs.run("grant-reader", "shop", database_url=sqlite_url)
    assert (done.code, "SQLite has no roles" in done.err) == (1, True)


def test_the_names_of_the_readable_are_the_contracts() -> None:
    assert set(READABLE) >= {"products", "images", "packagings", "price_tables", "prices", "stock", "customers"}
    assert not set(READABLE) & {"audit", "quarantine", "orders", "missed", "switches"}
