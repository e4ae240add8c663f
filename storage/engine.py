"""Database engine for a URL, with the time limits that the fence relies on."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, unquote

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.exc import ArgumentError

from rules.addresses import Address, AddressError, read_address
from storage.pooler import Pooling
from storage.server_faults import MOST_CONNECTIONS, READ_ONLY

__all__ = ["APPLICATION", "DatabaseUrlError", "Login", "masked", "open_engine", "read_url"]

# Parts of the login that hold now, by name.
Login = Callable[[], Mapping[str, str]]

# Name of every connection in `pg_stat_activity`.
APPLICATION = "comporta"
# A worker that hangs inside a transaction holds the fence: PostgreSQL ends it after this long.
IDLE_IN_TRANSACTION_MS = 5_000
# Together below the broker's heartbeat, so that a slow statement never costs the broker connection.
LOCK_MS, STATEMENT_MS = 10_000, 20_000
LIMITS_MS = {
    "lock_timeout": LOCK_MS,
    "statement_timeout": STATEMENT_MS,
    "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION_MS,
}


_FORM = "use sqlite:///file.db or postgresql://user@host/name"
_DRIVER = "postgresql+psycopg"
_POSTGRES = frozenset({"postgresql", "postgres", _DRIVER})
_POOL_SIZE = 4
_WRITABLE = frozenset({"read-write", "primary"})


class DatabaseUrlError(ValueError):
    """A database URL that can't be used, with the remedy."""


def read_url(text: str) -> URL:
    """Parse a URL and set its driver; raises `DatabaseUrlError` unless it is SQLite (a file) or PostgreSQL."""
    scheme = text.partition("://")[0]
    if scheme.partition("+")[0] == "sqlite":
        return _sqlite(text)
    try:
        address = read_address(text)
    except AddressError as error:
        raise DatabaseUrlError(f"not a database URL: {error}; {_FORM}") from None
    if scheme not in _POSTGRES:
        raise DatabaseUrlError(f"this kind of database is not supported; {_FORM}")
    return _postgres(address)


def _sqlite(text: str) -> URL:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # Without the cause, which repeats a part of the URL.
        raise DatabaseUrlError(f"not a database URL; {_FORM}") from None
    if url.database in (None, "", ":memory:") or url.host or url.username or url.password:
        raise DatabaseUrlError("SQLite needs a file, since several threads share it: sqlite:///comporta.db")
    return url.set(drivername="sqlite")


def _postgres(address: Address) -> URL:
    """Return the URL for SQLAlchemy: of several hosts the driver takes the first one that can be written to."""
    query = _options(address)
    first = address.hosts[0] if len(address.hosts) == 1 else None
    if len(address.hosts) > 1:
        query["host"] = ",".join(host.name for host in address.hosts)
        query["port"] = ",".join(str(host.port or "") for host in address.hosts)
    if not isinstance(query.get("host", ""), str) or "," in query.get("host", ""):
        query.setdefault("target_session_attrs", "read-write")
    return URL.create(
        _DRIVER,
        address.user,
        address.password,
        None if first is None else first.name,
        None if first is None else first.port,
        unquote(address.path[1:]) or None,
        query,
    )


def _options(address: Address) -> dict[str, Any]:
    """Return the options of the URL; raises `DatabaseUrlError` if the driver would refuse them."""
    query: dict[str, Any] = {}
    for name, value in parse_qsl(address.query):
        query[name] = (*query.get(name, ()), value)
    query = {name: values[0] if len(values) == 1 else values for name, values in query.items()}
    if address.hosts and {"host", "port"} & query.keys():
        raise DatabaseUrlError("it names hosts or ports both before and after the ?: keep one of the two")
    if query.get("target_session_attrs", "read-write") not in _WRITABLE:
        raise DatabaseUrlError("target_session_attrs must be read-write or primary, since Comporta writes")
    if query:
        _check_options(query)
    return query


def _check_options(query: dict[str, Any]) -> None:
    # Loaded here: a URL without options needs no driver to be checked.
    from psycopg import ProgrammingError
    from psycopg.conninfo import make_conninfo

    url = URL.create(_DRIVER, query=query)
    try:
        _, options = url.get_dialect()().create_connect_args(url)
        make_conninfo(**options)
    except (ArgumentError, ProgrammingError, TypeError, ValueError):
        # Without the cause, which repeats a part of the URL.
        raise DatabaseUrlError("its options after the ? are not those of PostgreSQL's libpq") from None


def masked(text: str) -> str:
    """Return the URL for display: without its password, and without its query, which may hold one too."""
    try:
        if read_url(text).get_backend_name() == "sqlite":
            return read_url(text).set(query={}).render_as_string()
        return replace(read_address(text), scheme=_DRIVER).masked
    except DatabaseUrlError:
        return "(unreadable URL)"


def open_engine(text: str, login: Login | None = None) -> Engine:
    """Create an engine for the URL; it connects when first used.

    `login` is asked at each connection to a server for the `user` and the `password` that hold now, instead of those of
    the URL; what it leaves out stays.
    """
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
        pool_size=_POOL_SIZE,
        max_overflow=MOST_CONNECTIONS - _POOL_SIZE,
        pool_timeout=10,
        # No column is one: the first connection would ask the server about it.
        use_native_hstore=False,
        connect_args={
            "connect_timeout": 5,
            "application_name": APPLICATION,
            "keepalives_idle": 10,
            "tcp_user_timeout": 15_000,
        },
    )
    event.listen(engine, "handle_error", _leave_standby)
    if login is not None:
        event.listen(engine, "do_connect", partial(_renew_login, login))
    Pooling(LIMITS_MS).install(engine)
    return engine


def _leave_standby(context: ExceptionContext) -> None:
    # After a failover the server may only read: the next connection looks for the one that can be written to.
    if getattr(context.original_exception, "sqlstate", None) == READ_ONLY:
        context.is_disconnect = True


def _renew_login(login: Login, _dialect: object, _record: object, _arguments: object, options: dict[str, Any]) -> None:
    options.update(login())


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
