"""Migrations: what a plan says, balances of a database from an older revision, and former workers that go on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text
from typer.testing import CliRunner, Result

from comporta.cli.main import app
from rules.retention import Retention
from storage import migrate as migrations
from storage.database import open_database
from storage.engine import open_engine
from storage.fence import fence_for
from storage.migrate import alembic_config, migrate, newest_revision, read_revision
from storage.migration_plan import plan_migration
from storage.tables import ledger, received
from storage.upkeep import Upkeep

SCRIPT = ScriptDirectory.from_config(alembic_config())
REVISIONS = [revision.revision for revision in SCRIPT.walk_revisions()][::-1]


@pytest.fixture
def engine(any_database_url: str) -> Iterator[Engine]:
    engine = open_engine(any_database_url)
    yield engine
    engine.dispose()


def go_back(engine: Engine, revision: str) -> None:
    """Make the database one of an older revision."""
    with engine.connect() as connection, connection.begin():
        command.downgrade(alembic_config(connection), revision)


def count(engine: Engine, worker: str, minute: datetime, number: int, *, both: bool) -> None:
    """Count deliveries of a worker; one of a release before 0005 counts their outcomes alone."""
    row = {"minute": minute, "worker": worker, "domain": "stock", "count": number}
    with engine.begin() as connection:
        connection.execute(ledger.insert(), {**row, "shop": "main", "outcome": "applied"})
        if both:
            connection.execute(received.insert(), row)


@pytest.mark.parametrize("revision", ["0001", "0004", "0005", "0015", REVISIONS[-2]])
def test_an_upgrade_and_the_workers_that_outlive_it_make_no_difference(engine: Engine, revision: str) -> None:
    # Not when the file was read: counts of minutes that are over are kept.
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    go_back(engine, revision)
    counts = revision >= "0005"
    url = engine.url.render_as_string(hide_password=False)
    for age in (3, 0):
        count(engine, "former", now - timedelta(days=age), 100, both=counts)
    migrate(engine)
    database = open_database(url)
    assert database.views.balance().total.difference == 0
    # The former worker goes on, in the minute of the upgrade and after it, beside one of the new release.
    with engine.begin() as connection:
        same = (ledger.c.worker == "former") & (ledger.c.minute == now)
        connection.execute(ledger.update().where(same).values(count=ledger.c["count"] + (0 if counts else 50)))
    count(engine, "former", now + timedelta(minutes=1), 30, both=counts)
    count(engine, "new", now + timedelta(minutes=1), 7, both=True)
    database.close()
    # Without what was cached before.
    database = open_database(url)
    total = database.views.balance().total
    assert (total.difference, total.applied) == (0, 237 if counts else 287)
    # Rolled up, the rows name no worker any more.
    for _ in Upkeep(fence_for(engine), Retention(ledger_minutes=timedelta(hours=1)), "one").steps():
        pass
    database.close()
    database = open_database(url)
    assert database.views.balance().total == total
    # What is lost still shows.
    count(engine, "new", now + timedelta(minutes=2), 5, both=True)
    with engine.begin() as connection:
        connection.execute(ledger.delete().where(ledger.c.minute == now + timedelta(minutes=2)))
    assert database.views.balance().total.difference == 5
    database.close()


def columns(engine: Engine) -> dict[tuple[str, str], dict[str, Any]]:
    """Return every column of every table."""
    found = inspect(engine)
    return {
        (table, column["name"]): dict(column)
        for table in found.get_table_names()
        for column in found.get_columns(table)
    }


def test_every_step_only_adds_so_that_former_workers_go_on(engine: Engine) -> None:
    go_back(engine, REVISIONS[0])
    before = columns(engine)
    for revision in REVISIONS[1:]:
        with engine.connect() as connection, connection.begin():
            command.upgrade(alembic_config(connection), revision)
        after = columns(engine)
        assert before.keys() <= after.keys(), revision
        tables = {table for table, _ in before}
        for table, name in after.keys() - before.keys():
            column = after[table, name]
            # An insert of a former worker does not name the new column.
            assert table not in tables or column["nullable"] or column["default"] is not None, (revision, table, name)
        before = after
    assert REVISIONS[-1] == newest_revision()


def test_contents_of_orders_are_compressed_by_lz4(database_url: str) -> None:
    compression = text(
        "SELECT attcompression FROM pg_attribute WHERE attrelid = to_regclass('orders') AND attname = 'payload'"
    )
    engine = open_engine(database_url)
    with engine.connect() as connection:
        assert connection.scalar(compression) == "l"
    go_back(engine, "0034")
    with engine.connect() as connection:
        assert connection.scalar(compression) == ""
    engine.dispose()


def test_a_plan_names_the_steps_and_the_tables_and_changes_nothing(engine: Engine) -> None:
    assert plan_migration(engine).steps == ()
    go_back(engine, "0025")
    count(engine, "former", datetime.now(UTC).replace(second=0, microsecond=0), 1, both=True)
    plan = plan_migration(engine)
    assert (plan.before, plan.after) == ("0025", newest_revision())
    assert [step.revision for step in plan.steps] == [name for name in REVISIONS if name > "0025"]
    [missed] = plan.steps[1].tables
    assert (missed.name, plan.steps[1].description.startswith("Missed keys")) == ("missed", True)
    assert plan.seconds >= sum(step.seconds for step in plan.steps) > 0
    with engine.connect() as connection:
        assert read_revision(connection) == "0025"


@pytest.mark.parametrize("path", sorted(Path(migrations.__file__).parent.glob("migrations/versions/0*.py")), ids=str)
def test_a_step_that_reads_a_table_whole_says_so(path: Path) -> None:
    text = path.read_text(encoding="utf-8").partition("def downgrade")[0]
    made = set(re.findall(r'create_table\(\s*"(\w+)"', text))
    indexed = set(re.findall(r'create_index\(\s*"\w+",\s*"(\w+)"', text)) - made
    said = getattr(SCRIPT.get_revision(path.name[:4]).module, "reads", ())
    assert indexed <= set(said)
    if re.search(r"INSERT INTO|UPDATE \w+ SET", text):
        assert said or getattr(SCRIPT.get_revision(path.name[:4]).module, "reads_on_sqlite", ())


def test_the_command_says_what_it_does_and_a_dry_run_only_says_it(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    settings = {"COMPORTA_DATABASE_URL": f"sqlite:///{path}"}

    def run(*options: str) -> Result:
        done = CliRunner().invoke(app, ["migrate", *options], env=settings)
        assert done.exit_code == 0, done.output
        return done

    assert "the database is new" in run("--dry-run").stdout
    assert not path.exists()
    assert "(was at none)" in run().stdout
    engine = open_engine(settings["COMPORTA_DATABASE_URL"])
    go_back(engine, "0026")
    assert "Reads missed (0 rows): about a second" in run("--dry-run").stdout
    assert json.loads(run("--dry-run", "--json").stdout)["before"] == "0026"
    assert json.loads(run("--json").stdout)["after"] == newest_revision()
    assert "nothing to do" in run("--dry-run").stdout
    assert f"is at revision {newest_revision()}\n" in run().stdout
    engine.dispose()
