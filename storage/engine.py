"""Database engine for a URL, with the time limits that the fence relies on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from storage.pooler import Pooling

__all__ = ["DatabaseUrlError", "masked", "open_engine", "read_url"]

# A worker that hangs inside a transaction holds the fence: PostgreSQL ends it after this long.
IDLE_IN_TRANSACTION_MS = 5_000
# Together below the broker's heartbeat, so that a slow statement never costs the broker connection.
LOCK_MS, STATEMENT_MS = 10_000, 20_000
LIMITS_MS = {
    "lock_timeout": LOCK_MS,
    "statement_timeout": STATEMENT_MS,
    "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION_MS,
}


class DatabaseUrlError(ValueError):
    """A database URL that can't be used, with the remedy."""


def read_url(text: str) -> URL:
    """Parse a URL and set its driver; raises `DatabaseUrlError` unless it is SQLite (a file) or PostgreSQL."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # Without the cause: it repeats a port that is no number, which may be half of a password.
        raise DatabaseUrlError("not a database URL; use sqlite:///file.db or postgresql://user@host/name") from None
    if url.get_backend_name() == "sqlite":
        if url.database in (None, "", ":memory:"):
            raise DatabaseUrlError("SQLite needs a file, since several threads share it: sqlite:///comporta.db")
        return url.set(drivername="sqlite")
    if url.drivername in {"postgresql", "postgres", "postgresql+psycopg"}:
        return url.set(drivername="postgresql+psycopg")
    raise DatabaseUrlError(f"{url.drivername} is not supported; use sqlite:/// or postgresql://")


def masked(text: str) -> str:
    """Return the URL for display: without its password, and without its query, which may hold one too."""
    try:
        return read_url(text).set(query={}).render_as_string(hide_password=True)
    except DatabaseUrlError:
        return "(unreadable URL)"


def open_engine(text: str) -> Engine:
    """Create an engine for the URL; it connects when first used."""
    url = read_url(text)
    if url.get_backend_name() == "sqlite":
        # Autocommit turns off the driver's own BEGIN: the fence issues BEGIN IMMEDIATE itself.
        engine = create_engine(
            url, isolation_level="AUTOCOMMIT", hide_parameters=True, connect_args={"timeout": LOCK_MS / 1000}
        )
        event.listen(engine, "do_connect", _create_private)
        event.listen(engine, "connect", _prepare_sqlite)
        return engine
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_size=4,
        max_overflow=8,
        pool_timeout=10,
        connect_args={
            "connect_timeout": 5,
            "application_name": "comporta",
            "keepalives_idle": 10,
            "tcp_user_timeout": 15_000,
        },
    )
    Pooling(LIMITS_MS).install(engine)
    return engine


def _create_private(_dialect: object, _record: object, arguments: Sequence[Any], _options: object) -> None:
    # Orders and customers are in it. SQLite gives its -wal and -shm the mode of the file, and would create the file
    # itself with the mode that the umask leaves.
    with suppress(OSError):
        os.close(os.open(arguments[0], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _prepare_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()
