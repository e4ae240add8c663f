"""Fence: a lock that batches share and that a switch change holds alone.

The switches that a batch reads inside the fence stay valid until the batch has committed; so every commit after a
change obeys that change.
"""

from __future__ import annotations

import threading
from _thread import start_new_thread
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple, Protocol

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import ProgrammingError, SQLAlchemyError

from storage.errors import translated
from storage.log import logger
from storage.pooler import server_pid

__all__ = [
    "Connection",
    "Fence",
    "FenceHolder",
    "PostgresFence",
    "SqliteFence",
    "fence_for",
    "fence_holders",
    "foreign_way_out",
]

log = logger(__name__)

_LOCK = {"space": 0x434F4D50, "number": 1}  # "COMP"
_SHARED = text("SELECT pg_advisory_xact_lock_shared(:space, :number)").bindparams(**_LOCK)
# No time limit: the watch bounds the wait, and a timeout would lose the place in the queue. In one statement, since
# an operator waits for every round trip.
_EXCLUSIVE = text("SELECT set_config('lock_timeout', '0', true), pg_advisory_xact_lock(:space, :number)").bindparams(
    **_LOCK
)
_HOLDERS = text(
    "SELECT pid, usename, state, application_name, "
    "CAST(extract(epoch FROM clock_timestamp() - xact_start) AS float) AS seconds "
    "FROM pg_stat_activity WHERE pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted "
    "AND classid = :space AND objid = :number AND database = (SELECT oid FROM pg_database "
    "WHERE datname = current_database()))"
).bindparams(**_LOCK)
_TERMINATE = text("SELECT pg_terminate_backend(:pid)")


class FenceHolder(NamedTuple):
    """A connection inside the fence, and the seconds since its transaction began.

    The lock has no owner: any role that may connect can take it by its number. Of the connection of another role
    `state` and `seconds` are None.
    """

    pid: int
    role: str | None
    state: str | None
    application: str | None
    seconds: float | None


class Fence(Protocol):
    """A source of transactions at the fence; each commits when its block ends and rolls back when it raises."""

    def shared(self) -> AbstractContextManager[Connection]:
        """Hold the fence together with other batches, never together with a change."""

    def exclusive(self) -> AbstractContextManager[Connection]:
        """Hold the fence alone: every earlier transaction in it has ended, and no new one begins."""

    def outside(self) -> AbstractContextManager[Connection]:
        """Write outside the fence what no switch governs: no change waits for it, except on SQLite."""

    def snapshot(self) -> AbstractContextManager[Connection]:
        """Read outside the fence: every statement sees the commits up to the first statement."""

    def glance(self) -> AbstractContextManager[Connection]:
        """Read one statement outside the fence and without a transaction: one round trip, for loops that poll."""


class PostgresFence:
    """An advisory lock that ends with its transaction (PostgreSQL manual, section 13.3.5).

    Lock and read are two statements under READ COMMITTED: a read in the same statement would use a snapshot from
    before the lock.
    A holder that hangs is reported after `report_after` seconds and terminated after `limit`. One of another database
    role can't be terminated: it is reported with the way out.
    """

    def __init__(self, engine: Engine, *, report_after: float = 2.0, limit: float = 6.0) -> None:
        self._engine = engine
        self._glances = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._report_after = report_after
        self._limit = limit

    @contextmanager
    def shared(self) -> Iterator[Connection]:
        with translated(), self._engine.begin() as connection:
            connection.execute(_SHARED)
            yield connection

    @contextmanager
    def exclusive(self) -> Iterator[Connection]:
        with translated(), self._engine.begin() as connection:
            with self._watched(server_pid(connection)):
                connection.execute(_EXCLUSIVE)
            yield connection

    @contextmanager
    def outside(self) -> Iterator[Connection]:
        with translated(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        with translated(), self._engine.connect() as connection:
            yield connection.execution_options(isolation_level="REPEATABLE READ")

    @contextmanager
    def glance(self) -> Iterator[Connection]:
        with translated(), self._glances.connect() as connection:
            yield connection

    @contextmanager
    def _watched(self, pid: int) -> Iterator[None]:
        acquired = threading.Event()
        # Not `Thread.start`, which waits for the thread's first step, and no join: in a busy interpreter both take
        # long, and an operator waits.
        start_new_thread(self._watch, (acquired, pid))
        try:
            yield
        finally:
            acquired.set()

    def _watch(self, acquired: threading.Event, pid: int) -> None:
        if acquired.wait(self._report_after):
            return
        self._report(pid, terminate=False)
        if acquired.wait(self._limit - self._report_after):
            return
        foreign: set[int] = set()
        while not acquired.wait(1.0):
            self._report(pid, terminate=True, foreign=foreign)

    def _report(self, waiting_pid: int, *, terminate: bool, foreign: set[int] | None = None) -> None:
        """Report the holders, or end them; of `foreign` ones, which can't be ended, each is reported once."""
        try:
            with self._engine.begin() as connection:
                for holder in fence_holders(connection):
                    if holder.pid == waiting_pid:
                        # The waiting connection has just got the fence itself.
                        continue
                    if terminate:
                        _terminate(connection, holder, set() if foreign is None else foreign)
                    else:
                        log.warning("fence held", **holder._asdict())
        except SQLAlchemyError as error:
            log.warning("fence holders unknown", error=type(error).__name__)


def _terminate(connection: Connection, holder: FenceHolder, foreign: set[int]) -> None:
    """End a holder's connection; report one that this role may not end, unless it is `foreign` already."""
    if holder.pid in foreign:
        return
    try:
        with connection.begin_nested():
            ended = connection.scalar(_TERMINATE, {"pid": holder.pid})
    except ProgrammingError:
        foreign.add(holder.pid)
        log.error(
            "fence held by another database role, which this one may not terminate: every batch and switch waits",
            way_out=foreign_way_out(holder),
            **holder._asdict(),
        )
    else:
        log.warning("fence holder terminated" if ended else "fence holder has ended by itself", **holder._asdict())


def foreign_way_out(holder: FenceHolder) -> str:
    """Return the remedy against a holder of another role."""
    return (
        f"let an administrator run SELECT pg_terminate_backend({holder.pid}), and unless it is one of Comporta's own "
        f"revoke CONNECT on this database from the role {holder.role}: any role that may connect can take the lock"
    )


def fence_holders(connection: Connection) -> list[FenceHolder]:
    """Return the connections inside the fence of a PostgreSQL database; takes no lock."""
    return [FenceHolder(*row) for row in connection.execute(_HOLDERS)]


class SqliteFence:
    """SQLite's single writer (BEGIN IMMEDIATE) as the fence; `_turn` lets a waiting change go first."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._turn = threading.Lock()
        self._writer = threading.Lock()

    @contextmanager
    def shared(self) -> Iterator[Connection]:
        with self._turn:
            self._writer.acquire()
        try:
            with translated(), self._engine.connect() as connection:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                try:
                    yield connection
                except BaseException:
                    connection.exec_driver_sql("ROLLBACK")
                    raise
                connection.exec_driver_sql("COMMIT")
        finally:
            self._writer.release()

    exclusive = outside = shared

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        with translated(), self._engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            try:
                yield connection
            finally:
                connection.exec_driver_sql("ROLLBACK")

    @contextmanager
    def glance(self) -> Iterator[Connection]:
        with translated(), self._engine.connect() as connection:
            yield connection


def fence_for(engine: Engine) -> Fence:
    """Return the fence for the kind of database."""
    return PostgresFence(engine) if engine.dialect.name == "postgresql" else SqliteFence(engine)
