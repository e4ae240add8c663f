"""Migration plan: the steps of an upgrade, the tables that each reads whole, and a rough time from their sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, Engine, func, inspect, select, table, text

from storage.errors import translated
from storage.migrate import alembic_config, newest_revision, read_revision, require_known

__all__ = ["MigrationPlan", "MigrationStep", "TableSize", "new_database_plan", "plan_migration"]

# What a slow disk reads a second, while an index is made of it or the rows are written again.
_BYTES_A_SECOND = 20_000_000
# A step that reads nothing: it takes its locks and writes to the catalog.
_LEAST_SECONDS = 0.05
_POSTGRES_SIZES = text(
    "SELECT relname, greatest(reltuples, 0)::bigint, pg_table_size(oid) FROM pg_class "
    "WHERE relkind = 'r' AND relnamespace = to_regnamespace(current_schema())".replace("::", r"\:\:")
)
# Bytes of a row of SQLite, whose sizes are not kept: entities and orders with their JSON are near to it.
_BYTES_A_ROW = 400


class TableSize(NamedTuple):
    """A table with its rows, on PostgreSQL as last analyzed, and its size in bytes."""

    name: str
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class MigrationStep:
    """One revision: its description, and the tables that it reads whole; writes to them wait meanwhile."""

    revision: str
    description: str
    tables: tuple[TableSize, ...]

    @property
    def seconds(self) -> float:
        """Return about how long the step takes."""
        return _LEAST_SECONDS + sum(table.bytes for table in self.tables) / _BYTES_A_SECOND


@dataclass(frozen=True, slots=True)
class MigrationPlan:
    """The steps from one revision to the newest; `before` is None for a new database, which no step has to read."""

    before: str | None
    after: str
    steps: tuple[MigrationStep, ...]

    @property
    def seconds(self) -> float:
        """Return about how long all steps take."""
        return sum(step.seconds for step in self.steps)


def plan_migration(engine: Engine) -> MigrationPlan:
    """Read what an upgrade of the database would do; raises `SchemaOutdated` if a newer program has upgraded it."""
    with translated(), engine.connect() as connection:
        before = read_revision(connection)
        require_known(before)
        sizes = {} if before is None else _sizes(connection)
        return _plan(before, sizes, engine.dialect.name)


def new_database_plan() -> MigrationPlan:
    """Return the plan of a database that does not exist yet."""
    return _plan(None, {}, "sqlite")


def _plan(before: str | None, sizes: Mapping[str, TableSize], dialect: str) -> MigrationPlan:
    from alembic.script import ScriptDirectory

    script = ScriptDirectory.from_config(alembic_config())
    steps = []
    for revision in reversed(list(script.iterate_revisions("head", before or "base"))):
        module = revision.module
        reads = (
            *getattr(module, "reads", ()),
            *(getattr(module, "reads_on_sqlite", ()) if dialect == "sqlite" else ()),
        )
        tables = tuple(sizes[name] for name in reads if name in sizes)
        steps.append(MigrationStep(revision.revision, revision.doc, tables))
    return MigrationPlan(before, newest_revision(), tuple(steps))


def _sizes(connection: Connection) -> dict[str, TableSize]:
    if connection.dialect.name == "postgresql":
        return {name: TableSize(name, rows, size) for name, rows, size in connection.execute(_POSTGRES_SIZES)}
    sizes = {}
    for name in inspect(connection).get_table_names():
        rows = connection.scalar(select(func.count()).select_from(table(name))) or 0
        sizes[name] = TableSize(name, rows, rows * _BYTES_A_ROW)
    return sizes
