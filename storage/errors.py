"""The ways a database can fail, and the one place where a driver's errors become them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

__all__ = ["RowRefused", "SchemaOutdated", "StorageError", "Unavailable", "translated"]

# SQLSTATE classes (PostgreSQL manual, appendix A) that blame the values of a statement.
_VALUE_CLASSES = ("22", "23", "54")
# … and those that blame the schema or the rights on it: waiting for `comporta migrate` helps.
_SCHEMA_CLASSES = ("42", "3F")
_NO_RIGHT = "42501"


class StorageError(Exception):
    """The database did not do what was asked; the text never holds a value of a row."""


class Unavailable(StorageError):
    """The database can't be reached or is too busy; the same again later may succeed."""


class SchemaOutdated(Unavailable):
    """A table or a right is missing: run `comporta migrate`; the same again later may succeed."""


class RowRefused(StorageError):
    """The database refuses a value of the batch; the same again will fail again."""


def _translate(error: SQLAlchemyError) -> StorageError:
    if not isinstance(error, DBAPIError):
        return Unavailable(f"the database connection failed: {type(error).__name__}")
    cause = error.orig
    state = getattr(cause, "sqlstate", None)
    if state is not None:
        said = f"SQLSTATE {state} ({type(cause).__name__})"
        if state.startswith(_VALUE_CLASSES):
            return RowRefused(f"the database refuses a value: {said}")
        if state == _NO_RIGHT:
            return SchemaOutdated(f"this database user lacks a right that is needed: {said}")
        if state.startswith(_SCHEMA_CLASSES):
            return SchemaOutdated(f"a table or a right is missing, run `comporta migrate`: {said}")
        return Unavailable(f"the database can't do it now: {said}")
    name = type(cause).__name__
    if name == "OperationalError" and str(cause).startswith(("no such table", "no such column")):
        return SchemaOutdated("a table is missing, run `comporta migrate`")
    if name in {"IntegrityError", "DataError"}:
        return RowRefused(f"the database refuses a value: {name}")
    return Unavailable(f"the database can't be reached: {_first_line(cause) or name}")


def _first_line(cause: object) -> str:
    # Of a connection that failed: the driver names the place and the reason, and there is no row yet.
    return next((line for line in str(cause).splitlines() if line.isprintable()), "")[:200]


@contextmanager
def translated() -> Iterator[None]:
    """Raises what SQLAlchemy raises as one of our errors."""
    try:
        yield
    except SQLAlchemyError as error:
        raise _translate(error) from error
    except (OverflowError, UnicodeEncodeError) as error:
        raise RowRefused(f"the database driver refuses a value: {type(error).__name__}") from error
