"""Full loads: the list of them, and one with its chunks and the keys that it would delete."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, cast, func, select
from typing_extensions import TypedDict

from rules.full_load import ChunkState, Load
from schemas.domains import DOMAINS
from schemas.key_ranges import bound_texts
from storage.load_keys import unnamed_keys
from storage.load_tables import load_chunks, loads
from storage.loads import StoredLoad, read_chunks, read_load
from storage.types import BIGINT
from storage.views.pagination import Listing, Moment
from storage.views.rows import plain_row

__all__ = ["ChunkRow", "LoadFilter", "LoadRow", "WholeLoad", "read_whole_load"]

# The keys shown of those that a load would delete.
MOST_KEYS = 100


class LoadRow(TypedDict):
    """A full load; `settled` and `incomplete` count chunks, `would_delete` the keys that wait for their deletion."""

    shop: str
    domain: str
    load_id: str
    version: int | None
    state: str
    chunks: int | None
    settled: int
    incomplete: int
    count: int | None
    seen: int
    would_delete: int
    deleted: int
    started_at: datetime
    changed_at: datetime
    ended_at: datetime | None


class ChunkRow(TypedDict):
    """A chunk of a load, 0 for a load without chunks; `from` and `to` hold key values, null where the range is open."""

    chunk: int
    version: int | None
    range_from: list[str] | None
    range_to: list[str] | None
    count: int | None
    seen: int
    discarded: int
    quarantined: int
    state: str
    reason: str | None
    would_delete: int
    deleted: int


class WholeLoad(LoadRow):
    """A load with its chunks, and at most 100 of the keys that wait for their deletion."""

    allowed: int | None
    parts: list[ChunkRow]
    would_delete_keys: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class LoadFilter(Listing[LoadRow]):
    """Full loads, newest first; `shops` bounds the list besides."""

    shop: str | None = None
    domain: str | None = None
    state: str | None = None
    shops: tuple[str, ...] | None = None

    def rows(self, _at: Moment, /) -> Select[Any]:
        """Select the loads that pass."""
        chosen = {"shop": self.shop, "domain": self.domain, "state": self.state}
        conditions = [loads.c[name] == value for name, value in chosen.items() if value is not None]
        if self.shops is not None:
            conditions.append(loads.c.shop.in_(self.shops))
        return _select().where(*conditions)

    @property
    def order(self) -> tuple[ColumnElement[Any], ...]:
        """Order by the beginning."""
        return tuple(loads.c[name].desc() for name in ("started_at", "shop", "domain", "load_id"))


def read_whole_load(connection: Connection, shop: str, domain: str, load_id: str) -> WholeLoad | None:
    """Return one load with its chunks; None if there is none."""
    stored = read_load(connection, (shop, domain), load_id)
    if stored is None:
        return None
    named = (loads.c.shop == shop, loads.c.domain == domain, loads.c.load_id == load_id)
    row = plain_row(connection.execute(_select().where(*named)).one())
    parts = [_chunk_row(chunk) for chunk in read_chunks(connection, stored)]
    keys = _keys(connection, stored)
    whole: WholeLoad = {**row, "allowed": stored.load.allowed, "parts": parts, "would_delete_keys": keys}  # type: ignore[typeddict-item]
    return whole


def _select() -> Select[Any]:
    named = ("shop", "domain", "load_id", "version", "state", "chunks")
    return select(
        *(loads.c[name] for name in named),
        _chunks(func.count(), ChunkState.SETTLED).label("settled"),
        _chunks(func.count(), ChunkState.INCOMPLETE).label("incomplete"),
        loads.c["count"],
        loads.c.seen,
        # PostgreSQL's sum of whole numbers is a decimal.
        cast(func.coalesce(_chunks(func.sum(load_chunks.c.would_delete), ChunkState.COUNTED), 0), BIGINT).label(
            "would_delete"
        ),
        *(loads.c[name] for name in ("deleted", "started_at", "changed_at", "ended_at")),
    )


def _chunks(number: ColumnElement[Any], state: ChunkState) -> ColumnElement[Any]:
    of_load = (load_chunks.c.load == loads.c.number, load_chunks.c.state == state.value)
    return select(number).select_from(load_chunks).where(*of_load).correlate(loads).scalar_subquery()


def _chunk_row(chunk: Any) -> ChunkRow:
    return {
        "chunk": chunk.number,
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
    }


def _keys(connection: Connection, stored: StoredLoad) -> list[dict[str, Any]]:
    load: Load = stored.load
    if not load.is_active or load.version is None:
        return []
    keys: list[dict[str, Any]] = []
    for chunk in read_chunks(connection, stored):
        if chunk.state is ChunkState.COUNTED and len(keys) < MOST_KEYS:
            found = unnamed_keys(connection, load, stored.number, chunk, None, MOST_KEYS - len(keys))
            keys += [dict(zip(DOMAINS[load.domain].key_fields, key, strict=True)) for key in found]
    return keys
