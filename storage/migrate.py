"""Migrations (Alembic): upgrade of the database, and the check that it is up to date."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from storage.comments import write_comments
from storage.errors import SchemaOutdated, translated

__all__ = ["migrate", "newest_revision", "require_current"]

_LOCK = 0x636F6D706F727461  # "comporta": migrations of one database run one at a time


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


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
    before = _revision(connection)
    _require_known(before)
    command.upgrade(_config(connection), "head")
    write_comments(connection)
    return before, _revision(connection)


def newest_revision() -> str | None:
    """Return the revision that this program needs."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def require_current(engine: Engine) -> None:
    """Check the revision of the database; raises `SchemaOutdated` unless it is this program's."""
    newest = newest_revision()
    with translated(), engine.connect() as connection:
        revision = _revision(connection)
    _require_known(revision)
    if revision != newest:
        raise SchemaOutdated(
            f"the database is at revision {revision or 'none'}, this program needs {newest}: run `comporta migrate`"
        )


def _require_known(revision: str | None) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if revision is not None and revision not in known:
        raise SchemaOutdated(f"the database is at revision {revision}, newer than this program knows: upgrade Comporta")
