"""Rights of the shop's role: it reads the shop's tables, the news of its orders and the views, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, Engine, text

from storage.all_tables import every_table
from storage.entity_tables import ENTITY_TABLES
from storage.errors import StorageError, translated
from storage.feed_tables import change_feed, changes
from storage.order_tables import order_events
from storage.sql_views import SQL_VIEWS

__all__ = ["READABLE", "Granted", "ReaderRefused", "check_role", "grant_reader"]

READABLE: tuple[str, ...] = (*ENTITY_TABLES, order_events.name, changes.name, change_feed.name, *SQL_VIEWS)
_ALL = [*sorted(every_table().tables), "alembic_version", *SQL_VIEWS]
_ROLE = text(
    "SELECT rolsuper OR pg_has_role(r.oid, 'pg_read_all_data', 'MEMBER') AS reads_all, "
    "pg_has_role(r.oid, relowner, 'MEMBER') AS owns, pg_has_role(current_user, relowner, 'USAGE') AS may_grant "
    "FROM pg_roles r, pg_class c WHERE r.rolname = :role AND c.oid = to_regclass(:table)"
)
_OF_COLUMNS, _OF_TABLE = ("SELECT", "INSERT", "UPDATE", "REFERENCES"), ("DELETE", "TRUNCATE", "TRIGGER")
# Of the role itself, of PUBLIC, and of every role that it can become.
_BEYOND = """
SELECT DISTINCT "table", "right" FROM unnest(CAST(:tables AS text[])) "table", unnest(CAST(:rights AS text[])) "right",
pg_roles WHERE pg_has_role(CAST(:role AS name), pg_roles.oid, 'MEMBER')
AND ("right" <> 'SELECT' OR NOT "table" = ANY(CAST(:readable AS text[])))
AND has_{kind}_privilege(pg_roles.oid, CAST(to_regclass(quote_ident("table")) AS oid), "right") ORDER BY 1, 2
"""


class ReaderRefused(StorageError):
    """A role that can't be made a reader, with the remedy."""


class Granted(NamedTuple):
    """The statements for a role, and the rights on other tables that it has by other ways, such as `audit: SELECT`."""

    statements: Sequence[str]
    beyond: Sequence[str]


def grant_reader(engine: Engine, role: str, *, dry_run: bool = False) -> Granted:
    """Grant a role the right to read the shop's tables and views, and revoke its other rights on Comporta's tables.

    Raises `ReaderRefused` if there is no such role, or if it reads everything whatever is granted.
    """
    if engine.dialect.name != "postgresql":
        raise ReaderRefused("SQLite has no roles: every user who can open the file reads everything")
    with translated(), engine.begin() as connection:
        check_role(connection, role)
        statements = _statements(connection, role)
        if dry_run:
            return Granted(statements, [])
        for statement in statements:
            connection.execute(text(statement.replace(":", r"\:")))
        beyond = [*_beyond(connection, role, "any_column", _OF_COLUMNS), *_beyond(connection, role, "table", _OF_TABLE)]
    return Granted(statements, sorted(beyond))


def check_role(connection: Connection, role: str) -> None:
    found = connection.execute(_ROLE, {"role": role, "table": READABLE[0]}).one_or_none()
    if found is None:
        raise ReaderRefused(f"there is no role {role}: create it first, with CREATE ROLE … LOGIN")
    if not found.may_grant:
        raise ReaderRefused("only the owner of Comporta's tables can grant: use the database user that migrates them")
    if found.owns and not found.reads_all:
        raise ReaderRefused(f"{role} owns Comporta's tables, or is a member of their owner: grant to a role of its own")
    if found.reads_all:
        raise ReaderRefused(f"{role} reads every table anyway (superuser or pg_read_all_data): use a role of its own")


def _beyond(connection: Connection, role: str, kind: str, rights: Sequence[str]) -> list[str]:
    parameters = {"role": role, "tables": _ALL, "rights": list(rights), "readable": list(READABLE)}
    return [f"{table}: {right}" for table, right in connection.execute(text(_BEYOND.format(kind=kind)), parameters)]


def _statements(connection: Connection, role: str) -> list[str]:
    quote = connection.dialect.identifier_preparer.quote
    # Not by the preparer, which writes a % twice for the driver: `text` does that once more.
    name = '"' + role.replace('"', '""') + '"'
    schema = quote(connection.scalar(text("SELECT current_schema()")) or "public")
    ours = ", ".join(f"{schema}.{quote(table)}" for table in _ALL)
    readable = ", ".join(f"{schema}.{quote(table)}" for table in READABLE)
    return [
        f"GRANT USAGE ON SCHEMA {schema} TO {name}",
        f"REVOKE ALL ON {ours} FROM {name}",
        f"GRANT SELECT ON {readable} TO {name}",
    ]
