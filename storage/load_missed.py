"""Missed keys that a finished load has not named: its ERP no longer has them, so that they are missed no longer."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from functools import cache
from typing import Any

import orjson
from sqlalchemy import Connection, Executable, and_, select
from sqlalchemy.types import TypeEngine

from rules.full_load import Chunk, ChunkState
from schemas.domains import DOMAINS
from schemas.events import ChangeEvent
from schemas.key_ranges import Bound
from storage.changes import record_if_on
from storage.dialect import dump_rows, rowset
from storage.entities import apply_and_return, event_value, matching
from storage.entity_tables import ENTITY_TABLES
from storage.load_tombstones import tombstones
from storage.loads import StoredLoad, read_chunks
from storage.missed import key_values
from storage.missed_index import is_narrow, key_place, place_of
from storage.missed_rows import clear_missed
from storage.tables import missed
from storage.types import EXACT_TEXT

__all__ = ["settle_missed"]

_PAGE = 200


def settle_missed(connection: Connection, stored: StoredLoad, after: str, now: datetime) -> str | None:
    """Settle some missed keys, in the order of their texts; return the last one, None when there are no more.

    Only keys without a living row: those that the load named have one, and any other living row of its ranges is
    newer than the load.
    """
    load = stored.load
    place = key_place(narrow=(narrow := is_narrow(connection)))
    query = select(missed.c.key, missed.c.version).where(
        missed.c.domain == load.domain, missed.c.shop == load.shop, place > place_of(load.domain, after, narrow=narrow)
    )
    rows = connection.execute(query.order_by(place).limit(_PAGE)).all()
    if not rows:
        return None
    chunks = [chunk for chunk in read_chunks(connection, stored) if chunk.state is ChunkState.SETTLED]
    found = {
        key: version
        for row in rows
        if (version := _version(stored, chunks, key := _key(load.domain, row.key), row.version)) is not None
    }
    living = set(_living(connection, load.domain, load.shop, found))
    written: list[ChangeEvent] = []
    for version in sorted({*found.values()}):
        keys = [key for key, at in found.items() if at == version and key not in living]
        if keys:
            events = tombstones(load, version, keys)
            written += apply_and_return(connection, load.domain, events, now)
            clear_missed(connection, load.domain, events, narrow=narrow)
    record_if_on(connection, written, now)
    return str(rows[-1].key)


def _key(domain: str, text: str) -> Bound:
    return key_values(domain, orjson.loads(text))


def _version(stored: StoredLoad, chunks: Collection[Chunk], key: Bound, missed_version: int) -> int | None:
    """Return the version of a chunk that covers a key and is not older than the key's missed change."""
    load = stored.load
    versions = (load.version_of(chunk) or 0 for chunk in chunks if chunk.range.holds(load.domain, key))
    return next((version for version in versions if version >= missed_version), None)


def _living(connection: Connection, domain: str, shop: str, keys: Collection[Bound]) -> Iterator[Bound]:
    dialect, names = connection.dialect.name, DOMAINS[domain].key_fields
    rows = dump_rows(dialect, ({"shop": shop, **dict(zip(names, key, strict=True))} for key in keys))
    for row in connection.execute(_select_living(dialect, domain), {"rows": rows}):
        yield tuple(map(event_value, row))


@cache
def _select_living(dialect: str, domain: str) -> Executable:
    table, names = ENTITY_TABLES[domain], DOMAINS[domain].key_fields
    types: dict[str, TypeEngine[Any]] = {"shop": EXACT_TEXT, **{name: table.c[name].type for name in names}}
    rows = rowset(dialect, types)
    query = select(*(table.c[name] for name in names)).select_from(
        rows.source.join(table, and_(*matching(table, rows, names)))
    )
    return query.where(~table.c.deleted)
