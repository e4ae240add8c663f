"""Rows of missed keys: written by the batch that discards, deleted by the one that makes good."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import orjson
from sqlalchemy import (
    ColumnElement,
    Connection,
    Executable,
    and_,
    bindparam,
    case,
    delete,
    exists,
    literal,
    or_,
    select,
)
from sqlalchemy.types import TypeEngine

from schemas.domains import DOMAINS
from schemas.events import ChangeEvent
from storage.dialect import dump_rows, insert_into, rowset
from storage.entities import matching, plain_key, stamp
from storage.entity_tables import ENTITY_TABLES
from storage.missed_index import arbiter, key_place, place_of
from storage.tables import missed
from storage.types import BIGINT, EXACT_TEXT, UtcTime

__all__ = ["clear_missed", "record_missed"]

_VERSIONED: dict[str, TypeEngine[Any]] = {
    "shop": EXACT_TEXT,
    "missed_key": EXACT_TEXT,
    "version": BIGINT,
    "event_id": EXACT_TEXT,
}


def record_missed(
    connection: Connection,
    domain: str,
    events: Sequence[ChangeEvent],
    now: datetime,
    changed_at: datetime,
    *,
    narrow: bool,
) -> None:
    """Record the keys of discarded events as missed, unless the same or a newer version is applied already.

    `changed_at` is the time of the last change of a switch; `narrow` names the index that leads to a key.
    """
    dialect = connection.dialect.name
    values = {"rows": dump_rows(dialect, _discarded(domain, events)), "now": now, "changed_at": changed_at}
    connection.execute(_record(dialect, domain, narrow=narrow), values)


def clear_missed(connection: Connection, domain: str, events: Sequence[ChangeEvent], *, narrow: bool) -> None:
    """Delete the missed keys that these events, now applied or superseded, repair."""
    dialect = connection.dialect.name
    rows = dump_rows(dialect, _repairing(domain, events, narrow=narrow))
    connection.execute(_clear(dialect, domain, narrow=narrow), {"rows": rows})


def _discarded(domain: str, events: Iterable[ChangeEvent]) -> Iterator[Mapping[str, Any]]:
    """Yield a row for each event, with its key fields."""
    for event in events:
        row = plain_key(domain, event.key)
        # Into the same dict: another one for each event would cost as much as its text.
        row["missed_key"] = orjson.dumps(row).decode()
        row["shop"], row["version"], row["event_id"] = event.shop, event.version, event.event_id
        yield row


def _repairing(domain: str, events: Iterable[ChangeEvent], *, narrow: bool) -> Iterator[Mapping[str, Any]]:
    for event in events:
        text = place_of(domain, orjson.dumps(plain_key(domain, event.key)).decode(), narrow=narrow)
        yield {"shop": event.shop, "missed_key": text, "version": event.version, "event_id": event.event_id}


@cache
def _record(dialect: str, domain: str, *, narrow: bool) -> Executable:
    table, keys = ENTITY_TABLES[domain], DOMAINS[domain].key_fields
    key_types: dict[str, TypeEngine[Any]] = {name: table.c[name].type for name in keys}
    rows = rowset(dialect, key_types | _VERSIONED)
    columns = rows.columns
    # By the version alone: an ERP that is asked again sends the same version under a new id.
    newer = exists(1).where(and_(*matching(table, rows, keys)), table.c.version >= columns["version"])
    source = (
        select(literal(domain), *(columns[name] for name in _VERSIONED), bindparam("now", type_=UtcTime))
        .select_from(rows.source)
        .where(~newer)
        .order_by(columns["shop"], columns["missed_key"])
    )
    insert: Any = insert_into(dialect, missed).from_select(
        ["domain", "shop", "key", "version", "event_id", "discarded_at"], source
    )
    excluded = insert.excluded
    statement: Executable = insert.on_conflict_do_update(
        index_elements=arbiter(narrow=narrow),
        set_={
            "version": excluded.version,
            "event_id": excluded.event_id,
            "discarded_at": case((_still_tells(), missed.c.discarded_at), else_=excluded.discarded_at),
        },
        where=stamp(missed.c) < stamp(excluded),
    )
    return statement


def _still_tells() -> ColumnElement[bool]:
    """Return whether a key's time of discard says the same of pauses, repair sheets and requests as the present would.

    Nothing that it is compared with lies between the two. An unchanged time leaves its index alone, which makes up a
    quarter of the cost of another discard of a key. A time ahead of the clock is never kept.
    """
    at = missed.c.discarded_at
    return and_(
        at > bindparam("changed_at", type_=UtcTime),
        at <= bindparam("now", type_=UtcTime),
        or_(missed.c.asked_at.is_(None), missed.c.asked_at <= at),
    )


@cache
def _clear(dialect: str, domain: str, *, narrow: bool) -> Executable:
    columns = rowset(dialect, _VERSIONED).columns
    repaired = and_(
        missed.c.shop == columns["shop"],
        key_place(narrow=narrow) == columns["missed_key"],
        missed.c.version <= columns["version"],
    )
    # As a join: to look for a row in the batch, PostgreSQL reads all that are missed. SQLite deletes from no join.
    condition = repaired if dialect == "postgresql" else exists(1).where(repaired)
    return delete(missed).where(missed.c.domain == domain, condition)
