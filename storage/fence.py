"""The fence: batches hold it together, a switch change holds it alone.

What a batch reads inside it stays true until the batch has committed; so a change that has committed
is obeyed by everything that commits after it.
"""

from __future__ import annotations

import threading
from _thread import start_new_thread
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple, Protocol

import structlog
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from storage.errors import translated

__all__ = ["Connection", "Fence", "FenceHolder", "PostgresFence", "SqliteFence", "fence_for", "fence_holders"]

log = structlog.get_logger(__name__)

_LOCK = {"space": 0x434F4D50, "number": 1}  # "COMP"
_SHARED = text("SELECT pg_advisory_xact_lock_shared(:space, :number)").bindparams(**_LOCK)
# No time limit: the watch bounds the wait, and giving up would lose the place in the queue. In one statement, since
# an operator waits for every round trip.
_EXCLUSIVE = text("SELECT set_config('lock_timeout', '0', true), pg_advisory_xact_lock(:space, :number)").bindparams(
    **_LOCK
)
_HOLDERS = text(
    "SELECT pid, state, application_name, CAST(extract(epoch FROM clock_timestamp() - xact_start) AS float) AS seconds "
    "FROM pg_stat_activity WHERE pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted "
    "AND classid = :space AND objid = :number AND database = (SELECT oid FROM pg_database "
    "WHERE datname = current_database()))"
).bindparams(**_LOCK)
_TERMINATE = text("SELECT pg_terminate_backend(:pid)")


class FenceHolder(NamedTuple):
    """A connection inside the fence, and for how many seconds its transaction has lasted."""

    pid: int
    state: str | None
    application: str | None
    seconds: float | None


class Fence(Protocol):
    """One transaction inside the fence; commits when the block ends, rolls back when it raises."""

    def shared(self) -> AbstractContextManager[Connection]:
        """Together with other batches, never with a change."""

    def exclusive(self) -> AbstractContextManager[Connection]:
        """Alone: everything begun before has ended, nothing new begins."""

    def snapshot(self) -> AbstractContextManager[Connection]:
        """Outside, for reading only: every statement sees what was committed when the first one ran."""


class PostgresFence:
    """An advisory lock that ends with its transaction (PostgreSQL manual, section 13.3.5).

    Lock and read are two statements under READ COMMITTED: in one, the read would see the past.
    A holder that hangs is reported after `report_after` seconds and terminated after `limit`.
    """

    def __init__(self, engine: Engine, *, report_after: float = 2.0, limit: float = 6.0) -> None:
        self._engine = engine
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
            with self._watched(_pid(connection)):
                connection.execute(_EXCLUSIVE)
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        with translated(), self._engine.connect() as connection:
            yield connection.execution_options(isolation_level="REPEATABLE READ")

    @contextmanager
    def _watched(self, pid: int) -> Iterator[None]:
        done = threading.Event()
        # Not `Thread.start`, which waits for the thread's first step, nor a join: a busy interpreter gives neither
        # soon, and an operator waits.
        start_new_thread(self._watch, (done, pid))
        try:
            yield
        finally:
            done.set()

    def _watch(self, done: threading.Event, pid: int) -> None:
        if done.wait(self._report_after):
            return
        self._report(pid, terminate=False)
        if done.wait(self._limit - self._report_after):
            return
        while not done.wait(1.0):
            self._report(pid, terminate=True)

    def _report(self, waiting: int, *, terminate: bool) -> None:
        try:
            with self._engine.begin() as connection:
                for holder in fence_holders(connection):
                    if holder.pid == waiting:
                        # It got the fence just now.
                        continue
                    log.warning("fence holder terminated" if terminate else "fence held", **holder._asdict())
                    if terminate:
                        connection.execute(_TERMINATE, {"pid": holder.pid})
        except SQLAlchemyError as error:
            log.warning("fence holders unknown", error=type(error).__name__)


def _pid(connection: Connection) -> int:
    driver: Any = connection.connection.driver_connection
    pid: int = driver.info.backend_pid
    return pid


def fence_holders(connection: Connection) -> list[FenceHolder]:
    """Who is inside the fence of a PostgreSQL database just now; takes no lock."""
    return [FenceHolder(*row) for row in connection.execute(_HOLDERS)]


class SqliteFence:
    """SQLite's one writer (BEGIN IMMEDIATE) is the fence; `_turn` lets a waiting change go first."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._turn = threading.Lock()
        self._one = threading.Lock()

    @contextmanager
    def shared(self) -> Iterator[Connection]:
        with self._turn:
            self._one.acquire()
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
            self._one.release()

    exclusive = shared

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        with translated(), self._engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            try:
                yield connection
            finally:
                connection.exec_driver_sql("ROLLBACK")


def fence_for(engine: Engine) -> Fence:
    """The fence that this database offers."""
    return PostgresFence(engine) if engine.dialect.name == "postgresql" else SqliteFence(engine)
