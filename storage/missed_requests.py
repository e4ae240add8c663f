"""Memory of resync requests: when, how often and by whom the ERP was asked for each missed key."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from functools import cache

from sqlalchemy import ColumnElement, Executable, Select, Update, bindparam, exists, func, select, update

from storage.dialect import database_now, dump_rows, rowset
from storage.fence import Fence
from storage.missed import Piece
from storage.missed_index import is_narrow, key_place, place_of
from storage.tables import missed
from storage.types import EXACT_TEXT, UtcTime
from storage.views import MissedFilter

__all__ = ["MissedRequests"]


class MissedRequests:
    """The requests that the broker has confirmed, on the rows of the missed keys."""

    def __init__(self, fence: Fence, after: timedelta) -> None:
        self._fence = fence
        self._after = after

    def due(self, filter: MissedFilter, *, again: bool) -> MissedFilter:
        """Return the filter of the keys that may be asked for: not within the time `after`, unless `again` is set."""
        if again:
            return filter
        with self._fence.snapshot() as connection:
            return replace(filter, asked_before=database_now(connection) - self._after)

    def remember(self, pieces: Iterable[Piece], by: str) -> None:
        """Stamp the keys of confirmed messages; those that were made good meanwhile have no row any more."""
        for piece in pieces:
            self._remember(piece, by)

    def _remember(self, piece: Piece, by: str) -> None:
        with self._fence.shared() as connection:
            dialect, narrow = connection.dialect.name, is_narrow(connection)
            scope = {"of_shop": piece.shop, "of_domain": piece.domain}
            keys = sorted(place_of(piece.domain, key, narrow=narrow) for key in piece.keys)
            if dialect == "postgresql":
                # A batch that is making a key good is not waited for: two orders of locks could deadlock.
                rows = {"rows": dump_rows(dialect, ({"place": key} for key in keys))}
                keys = list(connection.scalars(_lock(dialect, narrow=narrow), {**rows, **scope}))
            if keys:
                rows = {"rows": dump_rows(dialect, ({"place": key} for key in keys))}
                values = {**rows, **scope, "by": by, "now": database_now(connection)}
                connection.execute(_stamp(dialect, narrow=narrow), values)


def _named(dialect: str, place: ColumnElement[str]) -> ColumnElement[bool]:
    return exists(1).where(place == rowset(dialect, {"place": EXACT_TEXT}).columns["place"])


@cache
def _lock(dialect: str, *, narrow: bool) -> Select[tuple[str]]:
    place = key_place(narrow=narrow)
    return select(place).where(*_scope(), _named(dialect, place)).order_by(place).with_for_update(skip_locked=True)


@cache
def _stamp(dialect: str, *, narrow: bool) -> Executable:
    statement: Update = update(missed).where(*_scope(), _named(dialect, key_place(narrow=narrow)))
    return statement.values(
        asked_at=bindparam("now", type_=UtcTime()),
        asked_by=bindparam("by"),
        asked_count=func.coalesce(missed.c.asked_count, 0) + 1,
    )


def _scope() -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return (
        missed.c.domain == bindparam("of_domain", type_=EXACT_TEXT),
        missed.c.shop == bindparam("of_shop", type_=EXACT_TEXT),
    )
