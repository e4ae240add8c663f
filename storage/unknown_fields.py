"""Unknown fields: how often each came, by shop, domain and name, with the first and the last time."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.types import TypeEngine

from rules.switches import Scope
from rules.unknown_fields import FieldCounts, bounded
from storage.dialect import before_conflict, dump_rows, insert_into, rowset
from storage.tables import unknown_fields
from storage.types import UtcTime

__all__ = ["UnknownFieldCounts"]

_NAMES = ("shop", "domain", "field", "count", "suggestion")
_TYPES: dict[str, TypeEngine[Any]] = {name: unknown_fields.c[name].type for name in _NAMES}


class UnknownFieldCounts:
    """The counts, with a memory of the stored names: a batch with no new name takes one statement."""

    def __init__(self) -> None:
        self._known: dict[Scope, set[str]] = {}

    def add(self, connection: Connection, counts: FieldCounts, now: datetime) -> FieldCounts:
        """Add counts of a batch, in key order; return them as they are stored, within the bound of names."""
        for scope in {(shop, domain) for shop, domain, _ in counts}:
            if any(field not in self._known.get(scope, ()) for *key, field in counts if tuple(key) == scope):
                self._known[scope] = _stored_names(connection, scope)
        stored = bounded(counts, self._known)
        for shop, domain, field in stored:
            # After a rollback they are known all the same: the statement below inserts what is not there.
            self._known.setdefault((shop, domain), set()).add(field)
        dialect = connection.dialect.name
        rows = (
            dict(zip(_NAMES, (shop, domain, field, use.number, use.suggestion), strict=True))
            for (shop, domain, field), use in sorted(stored.items())
        )
        connection.execute(_add(dialect), {"rows": dump_rows(dialect, rows), "now": now})
        return stored


def _stored_names(connection: Connection, scope: Scope) -> set[str]:
    table = unknown_fields.c
    return set(connection.scalars(select(table.field).where(table.shop == scope[0], table.domain == scope[1])))


@cache
def _add(dialect: str) -> Any:
    rows = rowset(dialect, _TYPES)
    now = bindparam("now", type_=UtcTime)
    source = select(*(rows.columns[name] for name in _NAMES), now, now).select_from(rows.source)
    insert = insert_into(dialect, unknown_fields).from_select([*_NAMES, "first_at", "last_at"], before_conflict(source))
    return insert.on_conflict_do_update(
        index_elements=["shop", "domain", "field"],
        set_={
            "count": unknown_fields.c["count"] + insert.excluded["count"],
            "suggestion": insert.excluded.suggestion,
            "last_at": insert.excluded.last_at,
        },
    )
