"""Entity tables: upsert of the newest event a key, one statement a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any

import orjson
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Executable,
    Integer,
    Table,
    Text,
    and_,
    bindparam,
    case,
    cast,
    false,
    func,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.types import TypeEngine

from schemas.domains import DOMAINS
from schemas.events import ChangeEvent
from schemas.fields import canonical_decimal
from storage.dialect import Rowset, before_conflict, dump_rows, insert_into, rowset, stop
from storage.entity_tables import ENTITY_TABLES
from storage.errors import CONTENT_CHANGED
from storage.types import BIGINT, EXACT_TEXT, UtcTime, utc_text

__all__ = [
    "apply_and_return",
    "apply_events",
    "differs",
    "event_value",
    "key_text",
    "matching",
    "newer_than_rows",
    "plain_key",
    "row_of",
    "stamp",
    "stored_versions",
]


def key_text(domain: str, values: Sequence[Any]) -> str:
    """Return the key as JSON text in the registry's field order: the same key always gives the same text."""
    return orjson.dumps(plain_key(domain, values)).decode()


def apply_events(
    connection: Connection, domain: str, events: Sequence[ChangeEvent], now: datetime
) -> Mapping[str, int]:
    """Write one event a key, in key order; return the number by shop of events newer than their row.

    Raises `ContentChanged` if an event has the version and id of its row, and other content.
    """
    dialect = connection.dialect.name
    result = connection.execute(_upsert(dialect, domain), {"rows": dump_rows(dialect, _rows(events)), "now": now})
    if dialect == "postgresql":
        counts: dict[str, int] = orjson.loads(result.scalar() or "{}")
        return counts
    return Counter(result.scalars())


def apply_and_return(
    connection: Connection, domain: str, events: Sequence[ChangeEvent], now: datetime
) -> list[ChangeEvent]:
    """Write as `apply_events` does, and return the events that were newer than their row, at a higher cost."""
    dialect = connection.dialect.name
    result = connection.execute(
        _upsert_returning_keys(dialect, domain), {"rows": dump_rows(dialect, _rows(events)), "now": now}
    )
    written = {(shop, tuple([event_value(value) for value in key])) for shop, *key in result}
    return [event for event in events if (event.shop, event.key) in written]


def newer_than_rows(connection: Connection, domain: str, events: Sequence[ChangeEvent]) -> list[ChangeEvent]:
    """Return the events that are newer than their row, or have none; only reads."""
    older = stored_versions(connection, domain, events)
    return [event for position, event in enumerate(events) if position not in older]


def stored_versions(connection: Connection, domain: str, events: Sequence[ChangeEvent]) -> dict[int, int]:
    """Return the version of the row of each event that is not newer than it, by the event's position; only reads."""
    dialect = connection.dialect.name
    rows = (
        {
            **dict(zip(DOMAINS[domain].key_fields, event.key, strict=True)),
            "position": position,
            "shop": event.shop,
            "version": event.version,
            "event_id": event.event_id,
        }
        for position, event in enumerate(events)
    )
    result = connection.execute(_older(dialect, domain), {"rows": dump_rows(dialect, rows)})
    return {row.position: row.version for row in result}


def _rows(events: Sequence[ChangeEvent]) -> Iterator[dict[str, Any]]:
    # Written out, since a call for each event would cost as much as its dict.
    for event in events:
        yield {
            **event.data.__dict__,
            "shop": event.shop,
            "version": event.version,
            "event_id": event.event_id,
            "deleted": event.deleted,
            "occurred_at": event.occurred_at,
        }


def row_of(event: ChangeEvent) -> dict[str, Any]:
    """Return the event as a row of its table."""
    return next(_rows((event,)))


def event_value(value: Any) -> Any:
    """Convert a key column's value to that of the event: PostgreSQL returns a quantity with trailing zeros."""
    return canonical_decimal(str(value)) if isinstance(value, Decimal) else value


def plain_key(name: str, values: Sequence[Any]) -> dict[str, Any]:
    """Return the fields of a key as its JSON has them: `orjson.dumps` of it is `key_text`."""
    domain = DOMAINS[name]
    key = dict(zip(domain.key_fields, values, strict=True))
    for name in domain.key_times:
        key[name] = _time_text(key[name])
    return key


# Most keys of a feed have one of a few times, often the same one for all.
_time_text = lru_cache(1024)(utc_text)


def stamp(row: Any) -> ColumnElement[Any]:
    """Return what decides which of two events is newer: version and event id."""
    return tuple_(row.version, row.event_id)


def matching(table: Table, rows: Rowset, names: Iterable[str]) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions that a row of the table has the shop and key of a row of the parameter."""
    for name in ("shop", *names):
        yield table.c[name] == rows.columns[name]


def _stored(table: Table) -> list[Column[Any]]:
    return [column for column in table.columns if column.name != "applied_at"]


@cache
def _upsert(dialect: str, domain: str) -> Executable:
    table, upsert = ENTITY_TABLES[domain], _upsert_statement(dialect, domain)
    if dialect == "postgresql":
        written = upsert.returning(table.c.shop).cte("written")
        counted = select(written.c.shop, func.count().label("count")).group_by(written.c.shop).subquery()
        # As one value: fetching a row for each of many shops costs more than counting them.
        return select(cast(func.json_object_agg(counted.c.shop, counted.c["count"]), Text))
    # SQLite allows no RETURNING inside WITH: the rows are counted by the caller.
    statement: Executable = upsert.returning(table.c.shop)
    return statement


@cache
def _upsert_returning_keys(dialect: str, domain: str) -> Executable:
    table = ENTITY_TABLES[domain]
    keys = (table.c[name] for name in DOMAINS[domain].key_fields)
    statement: Executable = _upsert_statement(dialect, domain).returning(table.c.shop, *keys)
    return statement


@cache
def _older(dialect: str, domain: str) -> Executable:
    table, keys = ENTITY_TABLES[domain], DOMAINS[domain].key_fields
    key_types: dict[str, TypeEngine[Any]] = {name: table.c[name].type for name in keys}
    versioned: dict[str, TypeEngine[Any]] = {"shop": EXACT_TEXT, "version": BIGINT, "event_id": EXACT_TEXT}
    rows = rowset(dialect, {"position": Integer(), **key_types, **versioned})
    columns = rows.columns
    older: Executable = (
        select(columns["position"].label("position"), table.c.version)
        .select_from(rows.source.join(table, and_(*matching(table, rows, keys))))
        .where(stamp(table.c) >= tuple_(columns["version"], columns["event_id"]))
    )
    return older


def _upsert_statement(dialect: str, domain: str) -> Any:
    table = ENTITY_TABLES[domain]
    columns = _stored(table)
    rows = rowset(dialect, {column.name: column.type for column in columns})
    source = select(*(rows.columns[column.name] for column in columns), bindparam("now", type_=UtcTime))
    insert: Any = insert_into(dialect, table).from_select(
        [*(c.name for c in columns), "applied_at"], before_conflict(source)
    )
    keys = [column.name for column in table.primary_key]
    # The content is compared only where an event is not newer and has the stamp of its row: applying costs nothing.
    newer = case(
        (stamp(table.c) < stamp(insert.excluded), true()),
        (
            and_(stamp(table.c) == stamp(insert.excluded), differs(_state_fields(domain), table.c, insert.excluded)),
            stop(dialect, CONTENT_CHANGED, table.c.event_id),
        ),
        else_=false(),
    )
    return insert.on_conflict_do_update(
        index_elements=keys,
        set_={column.name: insert.excluded[column.name] for column in table.columns if column.name not in keys},
        where=newer,
    )


def _state_fields(domain: str) -> Iterator[str]:
    return (name for name in DOMAINS[domain].columns if name not in DOMAINS[domain].key_fields)


def differs(fields: Iterable[str], one: Any, other: Any) -> ColumnElement[bool]:
    """Return whether two rows of one key have other content: one of the fields, or only one of them is deleted."""
    return or_(*(one[name].is_distinct_from(other[name]) for name in ("deleted", *fields)))
