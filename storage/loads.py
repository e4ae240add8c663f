"""Rows of full loads: read and written by a caller that holds the fence, each load locked before it changes."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Select, Update, bindparam, exists, select, update

from rules.full_load import Chunk, ChunkReason, ChunkState, Load, LoadState
from rules.switches import Scope
from schemas.key_ranges import KeyRange, bound_texts, read_bound
from storage.dialect import insert_into
from storage.load_tables import load_chunks, loads

__all__ = [
    "StoredLoad",
    "active_loads",
    "end_load",
    "lock_load",
    "next_chunk",
    "open_load",
    "read_chunk",
    "read_chunks",
    "read_load",
    "ready_loads",
    "superseded_load",
    "write_chunk",
    "write_load",
]


# Every batch and every step of a load runs these statements: built each time, they would cost as much as the events.
_NAME = ("shop", "domain", "load_id")
_LOAD_FIELDS = ("version", "state", "chunks", "count", "seen", "deleted", "allowed", "changed_at")
_CHUNK_FIELDS = (
    "version",
    "range_from",
    "range_to",
    "count",
    "seen",
    "discarded",
    "quarantined",
    "state",
    "reason",
    "would_delete",
    "deleted",
    "cursor",
    "changed_at",
)


class StoredLoad(NamedTuple):
    """A load, and the number that its chunks and keys name it by."""

    load: Load
    number: int


def open_load(connection: Connection, scope: Scope, load_id: str, now: datetime) -> None:
    """Insert a load unless it is there."""
    row = {
        "shop": scope[0],
        "domain": scope[1],
        "load_id": load_id,
        "number": secrets.randbits(62),
        "state": LoadState.RUNNING.value,
        "started_at": now,
        "changed_at": now,
    }
    connection.execute(insert_into(connection.dialect.name, loads).on_conflict_do_nothing(), row)


def lock_load(connection: Connection, scope: Scope, load_id: str) -> StoredLoad | None:
    """Return a load, locked until the end of the transaction; None if there is none.

    A transaction that locks entity rows too has locked them before: so no two transactions wait for each other.
    """
    return _one(connection, _read_one(locked=True), _name(scope, load_id))


def read_load(connection: Connection, scope: Scope, load_id: str) -> StoredLoad | None:
    """Return a load, or None if there is none."""
    return _one(connection, _read_one(locked=False), _name(scope, load_id))


def active_loads(connection: Connection) -> list[StoredLoad]:
    """Return the loads that have not ended."""
    return [_stored(row) for row in connection.execute(_read_active())]


def ready_loads(connection: Connection) -> list[StoredLoad]:
    """Return the loads that have begun, not ended, and have a chunk to count or to delete from."""
    return [_stored(row) for row in connection.execute(_read_ready())]


def superseded_load(active: Iterable[StoredLoad]) -> StoredLoad | None:
    """Return a load beside which a newer one of the same shop and domain runs; None if there is none."""
    begun = [
        (stored, (version, stored.load.load_id)) for stored in active if (version := stored.load.version) is not None
    ]
    newest: dict[Scope, tuple[int, str]] = {}
    for stored, stamp in begun:
        newest[stored.load.scope] = max(newest.get(stored.load.scope, stamp), stamp)
    return next((stored for stored, stamp in begun if stamp < newest[stored.load.scope]), None)


def write_load(connection: Connection, load: Load) -> None:
    """Write what may change of a load."""
    values = {
        "version": load.version,
        "state": load.state.value,
        "chunks": load.chunks,
        "count": load.count,
        "seen": load.seen,
        "deleted": load.deleted,
        "allowed": load.allowed,
        "changed_at": load.changed_at,
    }
    connection.execute(_update_load(*_LOAD_FIELDS), _name(load.scope, load.load_id) | values)


def end_load(connection: Connection, load: Load, state: LoadState, now: datetime) -> Load:
    """Write the end of a load, and return it."""
    ended = replace(load, state=state)
    values = {"state": state.value, "ended_at": now}
    connection.execute(_update_load(*values), _name(load.scope, load.load_id) | values)
    return ended


def read_chunk(connection: Connection, stored: StoredLoad, chunk: int) -> Chunk | None:
    """Return a chunk of a load, or None if nothing of it has come."""
    found = read_chunks(connection, stored, (chunk,))
    return found[0] if found else None


def read_chunks(connection: Connection, stored: StoredLoad, numbers: Collection[int] | None = None) -> list[Chunk]:
    """Return chunks of a load, or all of them, in their order."""
    values: dict[str, Any] = {"load": stored.number}
    if numbers is not None:
        values["numbers"] = sorted(numbers)
    rows = connection.execute(_read_chunks(some=numbers is not None), values)
    return [_chunk(stored.load.domain, row) for row in rows]


def next_chunk(connection: Connection, stored: StoredLoad) -> Chunk | None:
    """Return the chunk to work on: first one to count; one to delete from, unless the load is held."""
    if not stored.load.knows_rows:
        # An empty chunk of a load that has named nothing yet may belong to a load of no rows.
        return None
    row = connection.execute(_read_next(held=stored.load.state is LoadState.HELD), {"load": stored.number}).first()
    return None if row is None else _chunk(stored.load.domain, row)


def write_chunk(connection: Connection, stored: StoredLoad, chunk: Chunk, now: datetime) -> None:
    """Insert or update a chunk."""
    values = {
        "version": chunk.version,
        "range_from": bound_texts(chunk.range.start),
        "range_to": bound_texts(chunk.range.end),
        "count": chunk.count,
        "seen": chunk.seen,
        "discarded": chunk.discarded,
        "quarantined": chunk.quarantined,
        "state": chunk.state.value,
        "reason": None if chunk.reason is None else chunk.reason.value,
        "would_delete": chunk.would_delete,
        "deleted": chunk.deleted,
        "cursor": bound_texts(chunk.cursor),
        "changed_at": now,
    }
    own = {"load": stored.number, "chunk": chunk.number}
    connection.execute(_upsert_chunk(connection.dialect.name), own | values)


def _name(scope: Scope, load_id: str) -> dict[str, str]:
    return {"_shop": scope[0], "_domain": scope[1], "_load_id": load_id}


def _is_named() -> list[ColumnElement[bool]]:
    return [loads.c[name] == bindparam(f"_{name}", type_=loads.c[name].type) for name in _NAME]


def _query(*conditions: ColumnElement[bool]) -> Select[Any]:
    return select(loads).where(*conditions).order_by(loads.c.shop, loads.c.domain, loads.c.load_id)


@cache
def _read_one(*, locked: bool) -> Select[Any]:
    query = _query(*_is_named())
    return query.with_for_update() if locked else query


@cache
def _read_active() -> Select[Any]:
    return _query(loads.c.ended_at.is_(None))


@cache
def _read_ready() -> Select[Any]:
    ready = exists(1).where(
        load_chunks.c.load == loads.c.number,
        load_chunks.c.state.in_((ChunkState.COMPLETE.value, ChunkState.COUNTED.value)),
        ~load_chunks.c.cleared,
    )
    return _query(loads.c.ended_at.is_(None), loads.c.version.is_not(None), ready)


@cache
def _update_load(*fields: str) -> Update:
    return update(loads).where(*_is_named()).values({name: bindparam(name) for name in fields})


@cache
def _read_chunks(*, some: bool) -> Select[Any]:
    query = select(load_chunks).where(load_chunks.c.load == bindparam("load")).order_by(load_chunks.c.chunk)
    return query.where(load_chunks.c.chunk.in_(bindparam("numbers", expanding=True))) if some else query


@cache
def _read_next(*, held: bool) -> Select[Any]:
    # In the order of the alphabet, too.
    states = [ChunkState.COMPLETE.value] if held else [ChunkState.COMPLETE.value, ChunkState.COUNTED.value]
    ready = (load_chunks.c.load == bindparam("load"), load_chunks.c.state.in_(states), ~load_chunks.c.cleared)
    return select(load_chunks).where(*ready).order_by(load_chunks.c.state, load_chunks.c.chunk).limit(1)


@cache
def _upsert_chunk(dialect: str) -> Any:
    insert = insert_into(dialect, load_chunks)
    excluded = {name: insert.excluded[name] for name in _CHUNK_FIELDS}
    return insert.on_conflict_do_update(index_elements=["load", "chunk"], set_=excluded)


def _one(connection: Connection, query: Select[Any], values: dict[str, str] | None = None) -> StoredLoad | None:
    row = connection.execute(query, values).first()
    return None if row is None else _stored(row)


def _stored(row: Row[Any]) -> StoredLoad:
    load = Load(
        shop=row.shop,
        domain=row.domain,
        load_id=row.load_id,
        changed_at=row.changed_at,
        version=row.version,
        state=LoadState(row.state),
        chunks=row.chunks,
        count=row._mapping["count"],
        seen=row.seen,
        deleted=row.deleted,
        allowed=row.allowed,
    )
    return StoredLoad(load, row.number)


def _chunk(domain: str, row: Row[Any]) -> Chunk:
    return Chunk(
        number=row.chunk,
        version=row.version,
        range=KeyRange(read_bound(domain, row.range_from), read_bound(domain, row.range_to)),
        count=row._mapping["count"],
        seen=row.seen,
        discarded=row.discarded,
        quarantined=row.quarantined,
        state=ChunkState(row.state),
        reason=None if row.reason is None else ChunkReason(row.reason),
        would_delete=row.would_delete,
        deleted=row.deleted,
        cursor=read_bound(domain, row.cursor),
    )
