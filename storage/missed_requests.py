"""Memory of resync requests: when, how often and by whom the ERP was asked for each missed key."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, exists, func, literal_column, select, text, update

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
            # All at once: no key has a line break, which JSON escapes.
            places = place_of(piece.domain, "\n".join(piece.keys), narrow=narrow).split("\n")
            rows = {"rows": dump_rows(dialect, ({"place": place} for place in places))}
            stamp = {"by": by, "now": database_now(connection)}
            if dialect == "postgresql":
                # A batch that is making a key good is not waited for: two orders of locks could deadlock. The locked
                # rows stay where they are, so that they are not looked for again.
                query = _find(dialect, literal_column("missed.ctid"), narrow=narrow).with_for_update(skip_locked=True)
                found = connection.scalars(query, {**rows, **_scope(piece)}).all()
                # As one text: the driver would look at each element of an array.
                connection.execute(_STAMP_PLACES, {"places": _array(found), **stamp})
            else:
                keys = _find(dialect, missed.c.key, narrow=narrow)
                statement = update(missed).where(*_OF_SCOPE, missed.c.key.in_(keys)).values(_STAMP)
                connection.execute(statement, {**rows, **_scope(piece), **stamp})


def _array(places: Iterable[str]) -> str:
    return "{" + ",".join(f'"{place}"' for place in places) + "}"


def _scope(piece: Piece) -> dict[str, str]:
    return {"of_shop": piece.shop, "of_domain": piece.domain}


_OF_SCOPE = (
    missed.c.domain == bindparam("of_domain", type_=EXACT_TEXT),
    missed.c.shop == bindparam("of_shop", type_=EXACT_TEXT),
)
_STAMP: dict[Any, Any] = {
    "asked_at": bindparam("now", type_=UtcTime()),
    "asked_by": bindparam("by"),
    "asked_count": func.coalesce(missed.c.asked_count, 0) + 1,
}
_STAMP_PLACES = update(missed).values(_STAMP).where(text("missed.ctid = ANY (CAST(:places AS tid[]))"))


@cache
def _find(dialect: str, found: ColumnElement[Any], *, narrow: bool) -> Select[Any]:
    """Return the query of the missed rows of a scope that the parameter names."""
    place = rowset(dialect, {"place": EXACT_TEXT}).columns["place"]
    return select(found).where(*_OF_SCOPE, exists(1).where(key_place(narrow=narrow) == place))
