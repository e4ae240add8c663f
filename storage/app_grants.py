"""Rights of the role that workers and page use: rows of Comporta's tables, and nothing that changes the tables."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, text

from storage.all_tables import every_table
from storage.errors import translated
from storage.grants import ReaderRefused, check_role
from storage.sql_views import SQL_VIEWS

__all__ = ["grant_app"]

_RIGHTS = "SELECT, INSERT, UPDATE, DELETE"
_READ = ("alembic_version", *SQL_VIEWS)


def grant_app(engine: Engine, role: str, *, dry_run: bool = False) -> list[str]:
    """Grant a role the rights that everything but `comporta migrate` needs; return the statements.

    What a later migration adds is granted, too. Raises `ReaderRefused` if there is no such role, or if it may do more
    whatever is granted.
    """
    if engine.dialect.name != "postgresql":
        raise ReaderRefused("SQLite has no roles: every user who can open the file reads and writes everything")
    with translated(), engine.begin() as connection:
        check_role(connection, role)
        statements = _statements(connection, role)
        for statement in () if dry_run else statements:
            connection.execute(text(statement.replace(":", r"\:")))
    return statements


def _statements(connection: Connection, role: str) -> list[str]:
    quote = connection.dialect.identifier_preparer.quote
    # Not by the preparer, which writes a % twice for the driver: `text` does that once more.
    name = '"' + role.replace('"', '""') + '"'
    schema = quote(connection.scalar(text("SELECT current_schema()")) or "public")
    tables = ", ".join(f"{schema}.{quote(table)}" for table in sorted(every_table().tables))
    read = ", ".join(f"{schema}.{quote(table)}" for table in _READ)
    return [
        f"GRANT USAGE ON SCHEMA {schema} TO {name}",
        f"REVOKE ALL ON {tables}, {read} FROM {name}",
        f"GRANT {_RIGHTS} ON {tables} TO {name}",
        f"GRANT SELECT ON {read} TO {name}",
        # Of columns that count; to use one gives away nothing but a number.
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {name}",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT {_RIGHTS} ON TABLES TO {name}",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT USAGE ON SEQUENCES TO {name}",
    ]
