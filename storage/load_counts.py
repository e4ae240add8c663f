"""Keys that a batch names of an open chunk, recorded and counted in one statement (PostgreSQL)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, Integer, Text, bindparam, text

from rules.full_load import ChunkState, LoadState
from rules.switches import Scope
from schemas.events import ChangeEvent
from schemas.load_parts import WHOLE, LoadPart
from storage.load_keys import keys_of
from storage.types import BIGINT, UtcTime

__all__ = ["CountedKeys", "count_keys"]


class CountedKeys(NamedTuple):
    """The counts of a chunk with the keys of a batch; `expected` is None while the number of its keys is not known."""

    seen: int
    expected: int | None

    @property
    def may_be_complete(self) -> bool:
        """Return whether the chunk has as many keys as it announces, or more: its state may be another one now."""
        return self.expected is not None and self.seen >= self.expected


def count_keys(
    connection: Connection, scope: Scope, part: LoadPart, events: Iterable[ChangeEvent], now: datetime
) -> CountedKeys | None:
    """Record the keys that events name of a chunk, and count the new ones; None if the chunk is not open.

    Nothing is written then: the chunk is read and judged instead. PostgreSQL only, since SQLite writes one table in a
    statement.
    """
    if connection.dialect.name != "postgresql":
        return None
    shop, domain = scope
    in_order = sorted(keys_of(domain, events))
    values = {
        "shop": shop,
        "domain": domain,
        "load_id": part.load_id,
        "chunk": part.chunk,
        # No key holds a line break.
        "keys": "\n".join(in_order),
        "first": in_order[0],
        "last": in_order[-1],
        "now": now,
    }
    row = connection.execute(_COUNT, values).first()
    return None if row is None else CountedKeys(row.seen, row.expected)


# The load is locked first, as by every other writer; under that lock nobody else changes the chunk. Where a row has
# changed since the statement began, PostgreSQL reads it anew when it locks or updates it (manual, section 13.2.1).
# Most batches name keys of a range in which none is recorded: those are inserted without the look for conflicts, which
# costs as much as the insert. The chunk as it was when the statement began tells whether the range is still as it saw.
_COUNT = (
    text(
        f"""
    WITH locked AS (
        SELECT number FROM loads
        WHERE shop = :shop AND domain = :domain AND load_id = :load_id
            AND state IN ('{LoadState.RUNNING.value}', '{LoadState.HELD.value}')
        FOR UPDATE
    ), opened AS (
        SELECT c.load, c.version, c.seen FROM locked JOIN load_chunks c ON c.load = locked.number
        WHERE c.chunk = :chunk AND c.state = '{ChunkState.OPEN.value}'
        FOR UPDATE OF c
    ), compared AS (
        SELECT opened.load, EXISTS (
            SELECT 1 FROM load_chunks c
            WHERE c.load = opened.load AND c.chunk = :chunk AND c.seen = opened.seen
                AND c.version IS NOT DISTINCT FROM opened.version
        ) AND NOT EXISTS (
            SELECT 1 FROM load_keys k
            WHERE k.load = opened.load AND k.chunk = :chunk AND k.key BETWEEN :first AND :last
        ) AS is_free
        FROM opened
    ), inserted AS (
        INSERT INTO load_keys (load, chunk, key)
        SELECT compared.load, :chunk, named.key
        FROM compared, unnest(string_to_array(:keys, chr(10))) AS named (key)
        WHERE compared.is_free
        RETURNING 1
    ), added AS (
        INSERT INTO load_keys (load, chunk, key)
        SELECT compared.load, :chunk, named.key
        FROM compared, unnest(string_to_array(:keys, chr(10))) AS named (key)
        WHERE NOT compared.is_free
        ON CONFLICT DO NOTHING
        RETURNING 1
    ), counted AS (
        SELECT (SELECT count(*) FROM inserted) + (SELECT count(*) FROM added) AS keys
    ), changed AS (
        UPDATE load_chunks SET seen = load_chunks.seen + counted.keys, changed_at = :now FROM opened, counted
        WHERE load_chunks.load = opened.load AND load_chunks.chunk = :chunk
        RETURNING load_chunks.load, load_chunks.seen, load_chunks.count
    )
    UPDATE loads SET seen = loads.seen + counted.keys, changed_at = greatest(loads.changed_at, :now)
    FROM changed, counted
    WHERE loads.number = changed.load
    RETURNING changed.seen, CASE
        WHEN :chunk <> {WHOLE} THEN changed.count
        WHEN loads.chunks IS NULL THEN loads.count
    END AS expected
    """
    )
    .bindparams(
        bindparam("shop", type_=Text()),
        bindparam("domain", type_=Text()),
        bindparam("load_id", type_=Text()),
        bindparam("chunk", type_=Integer()),
        bindparam("keys", type_=Text()),
        bindparam("first", type_=Text()),
        bindparam("last", type_=Text()),
        bindparam("now", type_=UtcTime),
    )
    .columns(seen=BIGINT, expected=BIGINT)
)
