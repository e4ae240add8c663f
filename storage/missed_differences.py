"""Filing of missed keys that a comparison has found, each exact by the version that would repair it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Executable, Integer, Update, and_, bindparam, literal, select, tuple_, update
from sqlalchemy.types import TypeEngine

from rules.comparison import MissedToFile, Stamp
from schemas.domains import DOMAINS
from storage.audit import add_count
from storage.dialect import Rowset, before_conflict, database_now, dump_rows, insert_into, rowset
from storage.entities import matching
from storage.entity_tables import ENTITY_TABLES
from storage.fence import Connection, Fence
from storage.missed import stored_key
from storage.missed_index import arbiter, is_narrow
from storage.tables import missed
from storage.types import BIGINT, EXACT_TEXT, UtcTime

__all__ = ["AT_ONCE", "Filed", "MissedFiling"]

# So few that other batches, which wait for the fence meanwhile, wait for milliseconds.
AT_ONCE = 200
# Below every event id: the next event of the row's version wins, whatever its id.
_REOPENED = ""


class Filed(NamedTuple):
    """The number of keys that were filed, and of those whose row has changed since the comparison."""

    filed: int
    changed: int


class MissedFiling:
    """The missed keys of one shop and domain."""

    def __init__(self, fence: Fence, shop: str, domain: str) -> None:
        self._fence = fence
        self._shop = shop
        self._domain = domain

    def file(self, keys: Sequence[MissedToFile], audit_id: str) -> Filed:
        """File at most `AT_ONCE` keys and count them in the audit, in one transaction.

        It holds the fence alone, as a discard keeps off every batch of its scope: an event that is applied meanwhile
        would not see the missed key and would leave it there for ever.
        """
        with self._fence.exclusive() as connection:
            unchanged = self._unchanged(connection, keys)
            self._write(connection, unchanged, database_now(connection))
            add_count(connection, audit_id, len(unchanged))
        return Filed(len(unchanged), len(keys) - len(unchanged))

    def _unchanged(self, connection: Connection, keys: Sequence[MissedToFile]) -> list[MissedToFile]:
        dialect = connection.dialect.name
        rows = connection.execute(
            _stamps(dialect, self._domain), {"rows": dump_rows(dialect, map(self._row, range(len(keys)), keys))}
        )
        stamps: dict[int, Stamp] = {row.position: (row.version, row.event_id) for row in rows}
        return [key for position, key in enumerate(keys) if stamps.get(position) == key.row]

    def _write(self, connection: Connection, keys: Sequence[MissedToFile], now: datetime) -> None:
        dialect = connection.dialect.name
        reopened = [key for key in keys if key.reopen]
        for selection, statement, values in (
            (reopened, _reopen(dialect, self._domain), {}),
            (keys, _file(dialect, self._domain, narrow=is_narrow(connection)), {"now": now}),
        ):
            if selection:
                rows = dump_rows(dialect, map(self._row, range(len(selection)), selection))
                connection.execute(statement, {"rows": rows, **values})

    def _row(self, position: int, missed_key: MissedToFile) -> Mapping[str, Any]:
        values = zip(DOMAINS[self._domain].key_fields, stored_key(self._domain, missed_key.key), strict=True)
        return {
            **dict(values),
            "position": position,
            "shop": self._shop,
            "missed_key": missed_key.key,
            "version": missed_key.stamp[0],
            "event_id": missed_key.stamp[1],
        }


def _rows(dialect: str, domain: str) -> Rowset:
    table = ENTITY_TABLES[domain]
    keys: dict[str, TypeEngine[Any]] = {name: table.c[name].type for name in DOMAINS[domain].key_fields}
    texts: dict[str, TypeEngine[Any]] = dict.fromkeys(("shop", "missed_key", "event_id"), EXACT_TEXT)
    return rowset(dialect, {"position": Integer(), "version": BIGINT, **texts, **keys})


@cache
def _stamps(dialect: str, domain: str) -> Executable:
    rows, table = _rows(dialect, domain), ENTITY_TABLES[domain]
    same = and_(*matching(table, rows, DOMAINS[domain].key_fields))
    return select(rows.columns["position"].label("position"), table.c.version, table.c.event_id).select_from(
        rows.source.join(table, same)
    )


@cache
def _reopen(dialect: str, domain: str) -> Update:
    rows, table = _rows(dialect, domain), ENTITY_TABLES[domain]
    same = and_(*matching(table, rows, DOMAINS[domain].key_fields))
    return update(table).where(same).values(event_id=_REOPENED)


@cache
def _file(dialect: str, domain: str, *, narrow: bool) -> Executable:
    columns = (rows := _rows(dialect, domain)).columns
    values = (columns[name] for name in ("shop", "missed_key", "version", "event_id"))
    source = select(literal(domain), *values, bindparam("now", type_=UtcTime)).select_from(rows.source)
    insert: Any = insert_into(dialect, missed).from_select(
        ["domain", "shop", "key", "version", "event_id", "discarded_at"], before_conflict(source)
    )
    # A key that is missed already at a newer version stays so.
    statement: Executable = insert.on_conflict_do_update(
        index_elements=arbiter(narrow=narrow),
        set_={name: insert.excluded[name] for name in ("version", "event_id", "discarded_at")},
        where=tuple_(missed.c.version, missed.c.event_id) < tuple_(insert.excluded.version, insert.excluded.event_id),
    )
    return statement
