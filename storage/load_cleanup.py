"""Cleanup of full loads: the keys of chunks that need them no longer, and loads that ended long ago."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, or_, select, update

from rules.full_load import ChunkState
from storage.load_keys import clear_keys, remove_keys
from storage.load_tables import load_chunks, loads

__all__ = ["forget_keys", "forget_loads"]

_KEYS_AT_ONCE = 10_000
_KEPT = timedelta(days=30)
_UNNEEDED = (
    select(load_chunks.c.load, load_chunks.c.chunk, load_chunks.c.seen)
    .join(loads, loads.c.number == load_chunks.c.load)
    .where(
        ~load_chunks.c.cleared,
        or_(load_chunks.c.state == ChunkState.SETTLED.value, loads.c.ended_at.is_not(None)),
    )
    .limit(2)
)


def forget_keys(connection: Connection) -> bool | None:
    """Forget keys of a chunk that is settled or whose load has ended; return whether there are more, None if none."""
    chunks = connection.execute(_UNNEEDED).all()
    if not chunks:
        return None
    load, chunk, seen = chunks[0]
    if seen > _KEYS_AT_ONCE:
        if remove_keys(connection, load, chunk, _KEYS_AT_ONCE):
            return True
    else:
        clear_keys(connection, load, chunk)
    own = (load_chunks.c.load == load, load_chunks.c.chunk == chunk)
    connection.execute(update(load_chunks).where(*own).values(cleared=True))
    return len(chunks) > 1


def forget_loads(connection: Connection, now: datetime) -> bool:
    """Forget some loads that ended long ago; return whether there were any."""
    old = (loads.c.started_at < now - _KEPT, loads.c.ended_at < now - _KEPT)
    numbers = list(connection.scalars(select(loads.c.number).where(*old).limit(10)))
    if numbers:
        connection.execute(delete(load_chunks).where(load_chunks.c.load.in_(numbers)))
        connection.execute(delete(loads).where(loads.c.number.in_(numbers)))
    return bool(numbers)
