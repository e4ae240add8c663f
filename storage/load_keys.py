"""Keys of full loads: those that a chunk has named, and the rows of its range that it has not."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cache
from operator import attrgetter
from typing import Any

import orjson
from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    cast,
    delete,
    false,
    func,
    literal,
    select,
    tuple_,
    type_coerce,
)

from rules.full_load import Chunk, Load
from schemas.domains import DOMAINS
from schemas.events import ChangeEvent
from schemas.fields import Column
from schemas.key_ranges import Bound
from storage.dialect import before_conflict, insert_into
from storage.entities import event_value
from storage.entity_tables import ENTITY_TABLES
from storage.load_tables import load_keys
from storage.types import BIGINT, utc_text

__all__ = [
    "add_keys",
    "clear_keys",
    "count_live",
    "count_page",
    "keys_of",
    "page_end",
    "remove_keys",
    "unnamed_keys",
]

# No key holds a control character, so that no two keys have the same text.
_SEPARATOR = "\x01"
_key: Callable[[ChangeEvent], Bound] = attrgetter("key")


def keys_of(domain: str, events: Iterable[ChangeEvent]) -> set[str]:
    """Return the texts of the keys that events name."""
    return set(map(_key_text(domain), map(_key, events)))


def add_keys(connection: Connection, number: int, chunk: int, keys: Collection[str]) -> int:
    """Record the keys that a batch names of a chunk; return the number of new ones."""
    values = {"load": number, "chunk": chunk, "keys": orjson.dumps(sorted(keys)).decode()}
    return connection.execute(_add(connection.dialect.name), values).rowcount


def clear_keys(connection: Connection, number: int, chunk: int) -> None:
    """Forget every key that a chunk has named."""
    connection.execute(delete(load_keys).where(load_keys.c.load == number, load_keys.c.chunk == chunk))


def remove_keys(connection: Connection, number: int, chunk: int, most: int) -> bool:
    """Forget the next so many keys that a chunk has named; return whether some are left."""
    own = (load_keys.c.load == number, load_keys.c.chunk == chunk)
    following = connection.scalar(select(load_keys.c.key).where(*own).order_by(load_keys.c.key).offset(most).limit(1))
    # By a range: PostgreSQL, which has no statistics of the keys yet, would compare each key of a list with all others.
    page = () if following is None else (load_keys.c.key < following,)
    connection.execute(delete(load_keys).where(*own, *page))
    return following is not None


def count_live(connection: Connection, load: Load) -> int:
    """Count the rows of a shop's domain that are not deleted."""
    table = ENTITY_TABLES[load.domain]
    query = select(func.count()).select_from(table).where(table.c.shop == load.shop, table.c.deleted == false())
    return connection.scalar(query) or 0


def page_end(connection: Connection, load: Load, chunk: Chunk, size: int) -> Bound | None:
    """Return the key that follows the next so many rows of a chunk's range; None if there are no more."""
    table = ENTITY_TABLES[load.domain]
    keys = [table.c[name] for name in DOMAINS[load.domain].key_fields]
    start = chunk.cursor if chunk.cursor is not None else chunk.range.start
    query = select(*keys).where(table.c.shop == load.shop, *_within(load.domain, start, chunk.range.end))
    row = connection.execute(query.order_by(*keys).offset(size).limit(1)).first()
    return None if row is None else tuple(map(event_value, row))


def count_page(connection: Connection, load: Load, number: int, chunk: Chunk, size: int) -> tuple[int, Bound | None]:
    """Count what a chunk would delete among the next so many rows of its range; return also the key that follows them.

    None if there are no more.
    """
    if chunk.seen <= size:
        # Mostly the range has as many rows as the chunk has keys: then one look at them is enough.
        rows, unnamed = _count_within(connection, load, number, chunk, size)
        if rows <= size:
            return unnamed, None
    end = page_end(connection, load, chunk, size)
    query = select(func.count()).select_from(ENTITY_TABLES[load.domain])
    return connection.scalar(query.where(_unnamed(connection, load, number, chunk, end))) or 0, end


def _count_within(connection: Connection, load: Load, number: int, chunk: Chunk, size: int) -> tuple[int, int]:
    """Count the rows of a chunk's range, one more than so many at the most, and those that the chunk would delete."""
    table = ENTITY_TABLES[load.domain]
    start = chunk.cursor if chunk.cursor is not None else chunk.range.start
    rows = select(table).where(table.c.shop == load.shop, *_within(load.domain, start, chunk.range.end)).limit(size + 1)
    found = rows.subquery()
    # The limit says to the planner what it can't know: that so few keys fit in a hash table.
    keys = select(load_keys.c.key).where(load_keys.c.load == number, load_keys.c.chunk == chunk.number).limit(size + 1)
    unnamed = and_(
        *_may_delete(found, load, chunk),
        _key_expression(connection.dialect.name, load.domain, found).not_in(keys),
    )
    row = connection.execute(select(func.count(), func.count().filter(unnamed)).select_from(found)).one()
    return row[0], row[1]


def unnamed_keys(
    connection: Connection, load: Load, number: int, chunk: Chunk, end: Bound | None, most: int | None = None
) -> list[Bound]:
    """Return the keys of a chunk's range, up to an end, that it would delete, in key order."""
    table = ENTITY_TABLES[load.domain]
    keys = [table.c[name] for name in DOMAINS[load.domain].key_fields]
    query: Select[Any] = select(*keys).where(_unnamed(connection, load, number, chunk, end)).order_by(*keys)
    return [tuple(map(event_value, row)) for row in connection.execute(query.limit(most))]


def _unnamed(connection: Connection, load: Load, number: int, chunk: Chunk, end: Bound | None) -> ColumnElement[bool]:
    table = ENTITY_TABLES[load.domain]
    start = chunk.cursor if chunk.cursor is not None else chunk.range.start
    # A scalar subquery is one look into the index for each row: as a join, every page could read all keys.
    named = select(literal(1)).where(
        load_keys.c.load == number,
        load_keys.c.chunk == chunk.number,
        load_keys.c.key == _key_expression(connection.dialect.name, load.domain, table),
    )
    return and_(
        table.c.shop == load.shop,
        *_within(load.domain, start, end if end is not None else chunk.range.end),
        *_may_delete(table, load, chunk),
        named.scalar_subquery().is_(None),
    )


def _may_delete(rows: FromClause, load: Load, chunk: Chunk) -> tuple[ColumnElement[bool], ...]:
    return rows.c.version <= load.version_of(chunk), rows.c.deleted == false()


def _within(domain: str, start: Bound | None, end: Bound | None) -> list[ColumnElement[bool]]:
    conditions = []
    if start is not None:
        conditions.append(_prefix(domain, start) >= _values(domain, "start", start))
    if end is not None:
        conditions.append(_prefix(domain, end) < _values(domain, "end", end))
    return conditions


def _prefix(domain: str, bound: Bound) -> ColumnElement[Any]:
    return tuple_(*(ENTITY_TABLES[domain].c[name] for name in DOMAINS[domain].key_fields[: len(bound)]))


def _values(domain: str, name: str, bound: Bound) -> ColumnElement[Any]:
    fields: Sequence[str] = DOMAINS[domain].key_fields
    return tuple_(
        *(
            bindparam(f"{name}_{position}", value, type_=ENTITY_TABLES[domain].c[fields[position]].type)
            for position, value in enumerate(bound)
        )
    )


@cache
def _key_text(domain: str) -> Callable[[Bound], str]:
    times = [name in DOMAINS[domain].key_times for name in DOMAINS[domain].key_fields]
    if not any(times):
        return _SEPARATOR.join
    return lambda key: _SEPARATOR.join(
        utc_text(value) if is_time else value for value, is_time in zip(key, times, strict=True)
    )


def _key_expression(dialect: str, domain: str, rows: FromClause) -> ColumnElement[str]:
    """Return the expression of a row's key as `_key_text` writes it."""
    kind = DOMAINS[domain]
    first, *rest = (_text_of(dialect, rows.c[name], kind.columns[name]) for name in kind.key_fields)
    text = first
    for part in rest:
        text = text + literal(_SEPARATOR) + part
    return text.collate("C") if dialect == "postgresql" else text


def _text_of(dialect: str, column: ColumnElement[Any], kind: Column) -> ColumnElement[Any]:
    match kind, dialect:
        case Column.QUANTITY, "postgresql":
            return cast(func.trim_scale(column), Text)
        case Column.QUANTITY, _:
            return cast(column, Text)
        case Column.TIME, "postgresql":
            return func.to_char(func.timezone("UTC", column), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"', type_=Text)
        case Column.TIME, _:
            return type_coerce(column, Text)
        case _:
            return column


@cache
def _add(dialect: str) -> Any:
    # One array for each chunk: a row for each key would cost twice as much to parse, and as much again to count.
    keys = bindparam("keys", type_=Text())
    if dialect == "postgresql":
        items = func.json_array_elements_text(cast(keys, JSON)).table_valued("value", name="named")
    else:
        items = func.json_each(keys).table_valued("value", name="named")
    source = before_conflict(
        select(bindparam("load", type_=BIGINT), bindparam("chunk", type_=Integer()), items.c.value)
    )
    insert = insert_into(dialect, load_keys).from_select(["load", "chunk", "key"], source).on_conflict_do_nothing()
    return insert.execution_options(preserve_rowcount=True)
