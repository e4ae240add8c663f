"""Storage errors, and the only translation of driver errors into them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError, TimeoutError

from rules.certificates import certificate_remedy
from storage.server_faults import MOST_CONNECTIONS, connection_way_out, server_fault

__all__ = [
    "CONTENT_CHANGED",
    "DISK_FULL",
    "ContentChanged",
    "RowRefused",
    "SchemaOutdated",
    "StorageError",
    "Unavailable",
    "translated",
]

# SQLSTATE classes (PostgreSQL manual, appendix A) that blame the values of a statement.
_VALUE_CLASSES = ("22", "23", "54")
# … and those that blame the schema or the rights on it: the cure is `comporta migrate`.
_SCHEMA_CLASSES = ("42", "3F")
_NO_RIGHT = "42501"
_LOCK_TIMEOUT = "55P03"
DISK_FULL = "53100"
# Prepared statements that a pooler gave to another client's connection: nothing is wrong with the schema.
_PREPARED = {"42P05", "26000"}
# A statement stops itself by an invalid value with this text in it; each database puts the value into its message.
CONTENT_CHANGED = "comporta: content changed"


class StorageError(Exception):
    """A failed database operation; the text never holds a value of a row."""


class Unavailable(StorageError):
    """The database can't be reached or is too busy; a repetition may succeed. `way_out` is empty if none is known."""

    def __init__(self, problem: str, way_out: str = "") -> None:
        super().__init__(f"{problem}; {way_out}" if way_out else problem)
        self.problem = problem
        self.way_out = way_out


class SchemaOutdated(Unavailable):
    """A table or a right is missing; a repetition may succeed after `comporta migrate`."""


class RowRefused(StorageError):
    """The database refuses a value of the batch; a repetition will fail again."""


class ContentChanged(RowRefused):
    """An event of the batch has the version and id of its row, and other content; nothing is written."""


def _translate(error: SQLAlchemyError) -> StorageError:
    if isinstance(error, TimeoutError):
        return Unavailable(f"all {MOST_CONNECTIONS} database connections of this process are in use")
    if not isinstance(error, DBAPIError):
        return Unavailable(f"the database connection failed: {type(error).__name__}")
    cause = error.orig
    if CONTENT_CHANGED in str(cause):
        return ContentChanged("an event has the key, the version and the id of an earlier one, and other content")
    state = getattr(cause, "sqlstate", None)
    if state is not None:
        code = f"SQLSTATE {state} ({type(cause).__name__})"
        if state.startswith(_VALUE_CLASSES):
            return RowRefused(f"the database refuses a value: {code}")
        if state == DISK_FULL:
            return Unavailable(f"the disk of the database is full: {code}")
        if state in _PREPARED:
            return Unavailable(
                f"a pooler has lost or repeated a prepared statement, and the statement is retried: {code}"
            )
        if state == _NO_RIGHT:
            return SchemaOutdated(f"this database user lacks a right that is needed: {code}")
        if state.startswith(_SCHEMA_CLASSES):
            return SchemaOutdated(f"a table or a right is missing, run `comporta migrate`: {code}")
        if state == _LOCK_TIMEOUT:
            return Unavailable(
                f"another connection holds a lock, `comporta doctor` names it if it is the fence: {code}"
            )
        if fault := server_fault(state):
            return Unavailable(f"{fault.sentence}: {code}", fault.way_out)
        return Unavailable(f"the database can't run the statement now: {code}")
    name = type(cause).__name__
    if name == "OperationalError" and str(cause).startswith(("no such table", "no such column")):
        return SchemaOutdated("a table is missing, run `comporta migrate`")
    if name in {"IntegrityError", "DataError"}:
        return RowRefused(f"the database refuses a value: {name}")
    if str(cause).startswith("database or disk is full"):
        return Unavailable("the disk of the database is full")
    faults = _connection_faults(cause) or name
    way_out = certificate_remedy(faults, "sslrootcert of the URL") or connection_way_out(faults)
    return Unavailable(f"the database can't be reached: {faults}", way_out)


def _connection_faults(cause: object) -> str:
    # The text of a failed connection: the driver names the server and the reason, and no row is involved yet.
    lines = [line for line in str(cause).splitlines() if line.isprintable()]
    # Of several hosts each has a line of its own, with the error after the address.
    faults = [line.partition(": connection failed: ")[2] or line for line in lines if line.startswith("- host: ")]
    return "; ".join(fault[:200] for fault in faults or lines[:1])


@contextmanager
def translated() -> Iterator[None]:
    """Translate the errors of SQLAlchemy and the driver into storage errors."""
    try:
        yield
    except SQLAlchemyError as error:
        raise _translate(error) from error
    except (OverflowError, UnicodeEncodeError) as error:
        raise RowRefused(f"the database driver refuses a value: {type(error).__name__}") from error
