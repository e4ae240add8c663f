"""Migrations (Alembic): upgrade of the database, and the check that it is up to date."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, inspect, text

from storage.errors import SchemaOutdated, translated

if TYPE_CHECKING:
    from alembic.config import Config

__all__ = ["alembic_config", "migrate", "newest_revision", "read_revision", "require_current", "require_known"]

_LOCK = 0x636F6D706F727461  # "comporta": migrations of one database run one at a time


_VERSIONS = Path(__file__).parent / "migrations" / "versions"


def read_revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def migrate(engine: Engine) -> tuple[str | None, str | None]:
    """Upgrade the database to the newest revision; return the revisions before and after."""
    with translated(), engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            # The engine is in autocommit mode; one transaction makes the upgrade atomic.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                before, after = _upgrade(connection)
            except BaseException:
                connection.exec_driver_sql("ROLLBACK")
                raise
            connection.exec_driver_sql("COMMIT")
            return before, after
        with connection.begin():
            connection.execute(text("SET LOCAL lock_timeout = 0"))
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            return _upgrade(connection)


def _upgrade(connection: Connection) -> tuple[str | None, str | None]:
    # Imported here and below: the check of the revision, which each process does at its start, needs none of it.
    from alembic import command

    from storage.comments import write_comments

    before = read_revision(connection)
    require_known(before)
    config = alembic_config(connection)
    config.attributes["new"] = before is None
    command.upgrade(config, "head")
    write_comments(connection)
    return before, read_revision(connection)


def alembic_config(connection: Connection | None = None) -> Config:
    """Return the configuration of the migrations, to be run on this connection."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_VERSIONS.parent))
    config.attributes["connection"] = connection
    return config


def _known_revisions() -> set[str]:
    # A revision's file begins with its number: reading the names loads none of them.
    return {path.name.partition("_")[0] for path in _VERSIONS.glob("[0-9]*_*.py")}


def newest_revision() -> str:
    """Return the revision that this program needs."""
    return max(_known_revisions())


def require_current(engine: Engine) -> None:
    """Check the revision of the database; raises `SchemaOutdated` unless it is this program's."""
    newest = newest_revision()
    with translated(), engine.connect() as connection:
        revision = read_revision(connection)
    require_known(revision)
    if revision != newest:
        raise SchemaOutdated(
            f"the database is at revision {revision or 'none'}, this program needs {newest}: run `comporta migrate`"
        )


def require_known(revision: str | None) -> None:
    if revision is not None and revision not in _known_revisions():
        raise SchemaOutdated(f"the database is at revision {revision}, newer than this program knows: upgrade Comporta")
