"""Keyset pagination: each page starts after the last row of the previous one, so page 1,000 costs no more than 1."""

from __future__ import annotations

import base64
import binascii
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, cast

from sqlalchemy import ColumnElement, Connection, Engine, Select, UnaryExpression, func, select

from storage.dialect import database_now
from storage.errors import translated
from storage.types import UtcTime
from storage.views.rows import plain_row

if TYPE_CHECKING:
    from sqlakeyset import Marker

__all__ = ["MOST_COUNTED", "BadCursor", "Count", "Listing", "Moment", "Page", "Row", "every_row", "read_page"]

# A larger number is of no use to a reader, and counting further would read the whole table.
MOST_COUNTED = 10_000
# Rows per transaction of an export: few enough for memory, enough to save round trips.
_CHUNK = 1_000

Row = TypeVar("Row", bound=Mapping[str, Any])


class BadCursor(ValueError):
    """A cursor that does not belong to this list."""


class Moment(NamedTuple):
    """The time of a read by the database's clock, and the time after which an order without a receipt is overdue."""

    now: datetime
    receipt_timeout: timedelta


class Count(NamedTuple):
    """The number of rows; not `exact` means more than `number`."""

    number: int
    exact: bool


class Page(NamedTuple, Generic[Row]):
    """The rows of a page, and the cursors of the next and the previous page, or None."""

    rows: list[Row]
    next: str | None
    previous: str | None
    total: Count | None


class Listing(ABC, Generic[Row]):
    """A list with its filter and order."""

    @abstractmethod
    def rows(self, at: Moment, /) -> Select[Any]:
        """Select the rows that pass the filter, without an order."""

    @property
    @abstractmethod
    def order(self) -> tuple[ColumnElement[Any], ...]:
        """Return the displayed order: times and texts, never null, together unique, all in one direction."""

    def cheap_order(self, _connection: Connection, /) -> tuple[ColumnElement[Any], ...]:
        """Return the order in which all rows are read fastest."""
        return self.order

    def list_row(self, row: dict[str, Any]) -> Row:
        """Convert a database row to a row of the list."""
        return cast(Row, row)


def read_page(
    engine: Engine, listing: Listing[Row], receipt_timeout: timedelta, limit: int, cursor: str | None, *, counted: bool
) -> Page[Row]:
    """Read the page at a cursor, or the first; raises `BadCursor`."""
    # Imported where it is used, here and below: it brings an object mapper, and a worker reads no list.
    # A process with threads that reads lists loads it before they begin (comporta/web/server.py).
    from sqlakeyset import select_page

    marker = None if cursor is None else _marker(cursor, listing.order)
    with translated(), engine.connect() as connection:
        rows = listing.rows(Moment(database_now(connection), receipt_timeout))
        page = select_page(connection, rows.order_by(*listing.order), per_page=limit, page=marker)
        total = _count(connection, rows) if counted else None
    paging = page.paging
    return Page(
        [listing.list_row(plain_row(row)) for row in page],
        _cursor(paging.next) if paging.has_next else None,
        _cursor(paging.previous) if paging.has_previous else None,
        total,
    )


def every_row(engine: Engine, listing: Listing[Row], receipt_timeout: timedelta) -> Iterator[Row]:
    """Yield all rows, each once, in chunks, so that a slow reader holds neither a transaction nor all rows."""
    from sqlakeyset import select_page

    at: Moment | None = None
    marker: Marker | None = None
    while True:
        with translated(), engine.connect() as connection:
            at = at or Moment(database_now(connection), receipt_timeout)
            query = listing.rows(at).order_by(*listing.cheap_order(connection))
            page = select_page(connection, query, per_page=_CHUNK, page=marker)
        for row in page:
            yield listing.list_row(plain_row(row))
        if not page.paging.has_next:
            return
        marker = page.paging.next


def _count(connection: Connection, rows: Select[Any]) -> Count:
    first = rows.with_only_columns(rows.selected_columns[0]).limit(MOST_COUNTED + 1).subquery()
    number = connection.scalar(select(func.count()).select_from(first)) or 0
    return Count(min(number, MOST_COUNTED), number <= MOST_COUNTED)


def _cursor(marker: Marker) -> str:
    from sqlakeyset import serialize_bookmark

    return base64.urlsafe_b64encode(serialize_bookmark(marker).encode()).decode().rstrip("=")


def _marker(cursor: str, order: tuple[ColumnElement[Any], ...]) -> Marker:
    from sqlakeyset import InvalidPage, unserialize_bookmark

    try:
        bookmark = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        marker = unserialize_bookmark(bookmark)
    except (InvalidPage, ValueError, ArithmeticError, binascii.Error):
        raise BadCursor(_BAD) from None
    place = marker.place
    # Without this check a value of another type, or text that PostgreSQL can't store, would raise a database error.
    if place is None or len(place) != len(order) or not all(map(_fits, order, place)):
        raise BadCursor(_BAD)
    return marker


def _fits(column: ColumnElement[Any], value: object) -> bool:
    plain = column.element if isinstance(column, UnaryExpression) else column
    if isinstance(plain.type, UtcTime):
        return isinstance(value, datetime) and value.tzinfo is not None
    return isinstance(value, str) and "\x00" not in value


_BAD = "after: not a cursor of this list; take it from the Link header of a page, or leave it out for the first page"
