"""Database diagnostics for the operator, read-only and with the rights of Comporta's user."""

from __future__ import annotations

import time
from typing import NamedTuple

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from storage.dialect import database_now
from storage.engine import LOCK_MS
from storage.errors import SchemaOutdated, translated
from storage.fence import FenceHolder, fence_holders
from storage.migrate import require_current
from storage.pooler import is_pooled, unlimited
from storage.tables import metadata

__all__ = ["Checkup", "check_up"]

_RIGHTS = ["SELECT", "INSERT", "UPDATE", "DELETE"]
_LACKING = text(
    'SELECT "right" || \' on \' || "table" FROM unnest(CAST(:tables AS text[])) "table", '
    'unnest(CAST(:rights AS text[])) "right" '
    'WHERE NOT has_table_privilege(to_regclass(quote_ident("table")), "right") ORDER BY 1'
)
# The states of standbys are shown to some roles only; to the others, whether any is named that commits wait for.
_STANDBYS = text(
    "SELECT count(*), count(*) FILTER (WHERE coalesce(sync_state IN ('sync', 'quorum'), "
    "current_setting('synchronous_standby_names') <> '') AND current_setting('synchronous_commit') NOT IN "
    "('off', 'local')) FROM pg_stat_replication WHERE coalesce(state, 'streaming') = 'streaming' "
    "AND coalesce(application_name, '') NOT IN ('pg_basebackup', 'pg_receivewal')"
)
# Reserved connections are for superusers, and for roles that have `pg_use_reserved_connections` (PostgreSQL 16).
_ROOM = text(
    "SELECT current_setting('transaction_read_only') = 'on', "
    "least(CAST(current_setting('max_connections') AS int) "
    "- CAST(current_setting('superuser_reserved_connections') AS int) "
    "- CAST(coalesce(current_setting('reserved_connections', true), '0') AS int) "
    "- (SELECT sum(numbackends) FROM pg_stat_database), "
    "(SELECT rolconnlimit FROM pg_roles WHERE rolname = session_user AND rolconnlimit >= 0) "
    "- (SELECT count(*) FROM pg_stat_activity WHERE usename = session_user)), "
    "(SELECT CAST(setting AS int) FROM pg_settings WHERE name = 'statement_timeout')"
)
_BUSY_MS = 1_000


class Checkup(NamedTuple):
    """The server, its version, and the fault of the schema (None: no fault).

    `lacking` has the rights that this user lacks, `ahead` the seconds that the database's clock is ahead of this
    machine's, `holders` the connections inside the fence, `busy` the reason that nothing can be written now (None: it
    can), `role` this user. `pooled`: a pooler stands before the server; `unlimited`: it drops the time limits, and the
    user has none. `standbys` counts those that stream, `waited_for` those of them that each commit waits for.
    `read_only`: the server only reads; `room` is the number of connections that this user may still open (None:
    unknown), `statement_ms` the time that a statement may take (0: without end).
    """

    server: str
    version: tuple[int | str, ...]
    schema: str | None
    lacking: list[str]
    ahead: float
    holders: list[FenceHolder]
    busy: str | None
    role: str | None = None
    pooled: bool = False
    unlimited: bool = False
    standbys: int = 0
    waited_for: int = 0
    read_only: bool = False
    room: int | None = None
    statement_ms: int = 0


def check_up(engine: Engine) -> Checkup:
    """Check the server, schema, rights, clock and fence; raises `Unavailable` if the database can't be reached."""
    with translated(), engine.connect() as connection:
        schema = _schema(engine)
        version = connection.dialect.server_version_info or ()
        if engine.dialect.name == "sqlite":
            return Checkup("SQLite", version, schema, [], 0.0, [], _busy(connection))
        lacking = connection.scalars(_LACKING, {"tables": sorted(metadata.tables), "rights": _RIGHTS}).all()
        ahead, holders = _clock_offset(connection), fence_holders(connection)
        role = connection.scalar(text("SELECT session_user"))
        pooler = (is_pooled(connection), unlimited(connection))
        more = (*pooler, *connection.execute(_STANDBYS).one(), *connection.execute(_ROOM).one())
        return Checkup("PostgreSQL", version, schema, list(lacking), ahead, holders, None, role, *more)


def _schema(engine: Engine) -> str | None:
    try:
        require_current(engine)
    except SchemaOutdated as error:
        return str(error)
    return None


def _clock_offset(connection: Connection) -> float:
    before = time.time()
    remote = database_now(connection).timestamp()
    return remote - (before + time.time()) / 2


def _busy(connection: Connection) -> str | None:
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {_BUSY_MS}")
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        connection.exec_driver_sql("ROLLBACK")
    except OperationalError as error:
        return str(error.orig)
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {LOCK_MS}")
    return None
