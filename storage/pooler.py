"""Connections through a pooler in transaction mode (pgbouncer), which passes on neither startup options nor sessions.

A direct connection takes the time limits as startup options, which cost nothing. A pooler refuses or ignores them, and
gives each transaction whatever server connection is free: limits are then set in each transaction, unless the database
user has them by `ALTER ROLE … SET`, and no statement is prepared.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Engine, event, text

from storage.log import logger

__all__ = ["Pooling", "is_pooled", "server_pid", "unlimited"]

log = logger(__name__)

# What pgbouncer says to a startup parameter that it does not know.
_OPTIONS_REFUSED = "unsupported startup parameter"
_PID = text("SELECT pg_backend_pid()")
# Keys of a pooled connection's `info`.
_POOLED, _UNLIMITED = "pooled", "unlimited"


class Pooling:
    """Opening of an engine's connections, directly or through a pooler; `limits` are the time limits by name, in ms."""

    def __init__(self, limits: Mapping[str, int]) -> None:
        self._limits = dict(limits)
        self._options = " ".join(["-c timezone=UTC", *(f"-c {name}={value}" for name, value in limits.items())])
        settings = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in limits.items())
        self._set_local = f"SELECT {settings}"
        self._engine: Engine | None = None
        self._take_options = True
        self._known = False
        self._lock = threading.Lock()

    def install(self, engine: Engine) -> None:
        """Open the engine's connections this way from now on."""
        event.listen(engine, "do_connect", self._connect)
        event.listen(engine, "connect", self._examine)
        self._engine = engine

    def _connect(self, _dialect: object, _record: object, arguments: list[Any], options: dict[str, Any]) -> Any:
        # Loaded here: commands that read SQLite, or nothing, would wait for the driver.
        import psycopg

        if self._take_options:
            try:
                return psycopg.connect(*arguments, **{**options, "options": self._options})
            except psycopg.OperationalError as error:
                if _OPTIONS_REFUSED not in str(error):
                    raise
                self._take_options = False
        return psycopg.connect(*arguments, **options)

    def _examine(self, connection: Any, record: Any) -> None:
        query = "SELECT pg_backend_pid(), " + ", ".join(f"current_setting('{name}')" for name in self._limits)
        before, connection.autocommit = connection.autocommit, True
        try:
            pid, *values = connection.execute(query).fetchone()
            pooled = pid != connection.info.backend_pid or not self._take_options
            limited = "0" not in values
            if pooled:
                # The pooler keeps the time zone of each client, and brings it along to every server connection.
                connection.execute("SET TIME ZONE 'UTC'")
        finally:
            connection.autocommit = before
        record.info[_POOLED] = pooled
        record.info[_UNLIMITED] = pooled and not limited
        if pooled:
            connection.prepare_threshold = None
            self._found(limited=limited)

    def _begin(self, connection: Connection) -> None:
        if not connection.connection.info.get(_UNLIMITED):
            return
        if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
            # No transaction to set them in: reads are bounded by the user's own settings alone.
            return
        connection.exec_driver_sql(self._set_local)

    def _found(self, *, limited: bool) -> None:
        with self._lock:
            if self._known:
                return
            self._known = True
        if self._engine is not None:
            # Not before: a listener slows down every statement of an engine, also where there is no pooler.
            event.listen(self._engine, "begin", self._begin)
        limits = "those of the database user" if limited else "set in each transaction"
        log.info("the database is reached through a pooler", limits=limits, prepared_statements=False)


def is_pooled(connection: Connection) -> bool:
    """Return whether a pooler stands between this connection and the server."""
    return bool(connection.connection.info.get(_POOLED))


def unlimited(connection: Connection) -> bool:
    """Return whether a pooler has dropped the time limits, and the database user has none of its own."""
    return bool(connection.connection.info.get(_UNLIMITED))


def server_pid(connection: Connection) -> int:
    """Return the process id of the server connection that runs this transaction."""
    if is_pooled(connection):
        # The driver knows only the number that the pooler has made up.
        return int(connection.execute(_PID).scalar_one())
    driver: Any = connection.connection.driver_connection
    pid: int = driver.info.backend_pid
    return pid
