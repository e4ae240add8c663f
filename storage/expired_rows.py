"""Rows past their retention: found outside the fence, deleted in short steps inside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Executable, Select, Table, and_, delete, exists, func, or_, select
from sqlalchemy.types import TypeEngine

from rules.orders import OrderState
from storage.dialect import Rowset, dump_rows, rowset
from storage.entities import event_value
from storage.entity_tables import ENTITY_TABLES
from storage.history_tables import history
from storage.order_tables import order_events, orders
from storage.pause_tables import pause_ends, pause_lines
from storage.tables import audit, quarantine, repair_lines, repairs

__all__ = ["ExpiredRows", "expired_rows"]

Keys = Sequence[dict[str, Any]]


class _Dependent(NamedTuple):
    """A table whose rows go with those of another, by these columns of it and of the other."""

    table: Table
    columns: dict[str, str]


class ExpiredRows(NamedTuple):
    """Rows of one table that are past their retention, with those that depend on them."""

    kind: str
    table: Table
    condition: ColumnElement[bool]
    dependents: tuple[_Dependent, ...] = ()

    def count(self, connection: Connection) -> int:
        """Count the rows, without the dependent ones."""
        query: Select[Any] = select(func.count()).select_from(self.table)
        return connection.scalar(query.where(self.condition)) or 0

    def find(self, connection: Connection, limit: int) -> Keys:
        """Return the keys of some of the rows, in the order of the primary key."""
        keys = list(self.table.primary_key)
        rows = connection.execute(select(*keys).where(self.condition).order_by(*keys).limit(limit))
        return [{str(name): event_value(value) for name, value in row._mapping.items()} for row in rows]

    def delete(self, connection: Connection, keys: Keys) -> int:
        """Delete those of these rows that are still past their retention; return their number.

        Rows that a batch is writing are left for the next step.
        """
        dialect = connection.dialect.name
        rows, params = _key_rows(dialect, self.table), {"rows": dump_rows(dialect, keys)}
        found = exists(1).select_from(rows.source).where(*_same(self.table, rows))
        names = list(self.table.primary_key)
        locking = select(*names).where(self.condition, found).order_by(*names).with_for_update(skip_locked=True)
        locked = [
            {str(name): event_value(value) for name, value in row._mapping.items()}
            for row in connection.execute(locking, params)
        ]
        if locked:
            params = {"rows": dump_rows(dialect, locked)}
            for dependent in self.dependents:
                connection.execute(_delete_dependent(dialect, self.table, dependent.table, dependent.columns), params)
            connection.execute(delete(self.table).where(found), params)
        return len(locked)


def expired_rows(kind: str, before: datetime) -> Iterator[ExpiredRows]:
    """Yield what is past its retention of one kind: everything that ended before a moment."""
    if kind == "quarantine":
        yield ExpiredRows(kind, quarantine, quarantine.c.at < before)
    elif kind == "repairs":
        lines = _Dependent(repair_lines, {"epoch": "epoch"})
        yield ExpiredRows(kind, repairs, repairs.c.at < before, (lines,))
        costs = _Dependent(pause_lines, {"epoch": "epoch", "scope_shop": "shop", "scope_domain": "domain"})
        done = and_(pause_ends.c.ended_at < before, pause_ends.c.made_good_at.is_not(None))
        yield ExpiredRows(kind, pause_ends, done, (costs,))
    elif kind == "audit":
        yield ExpiredRows(kind, audit, audit.c.at < before)
    elif kind == "orders":
        ended = or_(
            and_(orders.c.state == OrderState.INTERNALIZED.value, orders.c.internalized_at < before),
            and_(orders.c.state == OrderState.CANCELLED.value, orders.c.cancelled_at < before),
        )
        news = _Dependent(order_events, {"shop": "shop", "order_id": "order_id"})
        yield ExpiredRows(kind, orders, ended, (news,))
    elif kind == "history":
        yield ExpiredRows(kind, history, history.c.at <= before)
    else:
        for table in ENTITY_TABLES.values():
            yield ExpiredRows(kind, table, and_(table.c.deleted, table.c.applied_at < before))


def _key_rows(dialect: str, table: Table) -> Rowset:
    types: dict[str, TypeEngine[Any]] = {key.name: key.type for key in table.primary_key}
    return rowset(dialect, types)


def _same(table: Table, rows: Rowset) -> list[ColumnElement[bool]]:
    return [table.c[name] == column for name, column in rows.columns.items()]


def _delete_dependent(dialect: str, table: Table, dependent: Table, columns: dict[str, str]) -> Executable:
    rows = _key_rows(dialect, table)
    same = (dependent.c[name] == rows.columns[of] for name, of in columns.items())
    return delete(dependent).where(exists(1).select_from(rows.source).where(*same))
