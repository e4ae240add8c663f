"""Cleanup of full loads: the keys of chunks that need them no longer, and loads that ended long ago."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, delete, or_, select, update

from rules.full_load import ChunkState
from storage.load_keys import remove_keys
from storage.load_tables import load_chunks, loads

__all__ = ["forget_keys"]

_KEYS_AT_ONCE = 10_000
_KEPT = timedelta(days=30)


def forget_keys(connection: Connection, now: datetime) -> bool:
    """Forget some keys of a chunk that is settled or whose load has ended, or else loads that ended long ago."""
    over: ColumnElement[bool] = or_(load_chunks.c.state == ChunkState.SETTLED.value, loads.c.ended_at.is_not(None))
    query = select(load_chunks.c.load, load_chunks.c.chunk).join(loads, loads.c.number == load_chunks.c.load)
    row = connection.execute(query.where(~load_chunks.c.cleared, over).limit(1)).first()
    if row is None:
        return _forget(connection, now)
    if not remove_keys(connection, row.load, row.chunk, _KEYS_AT_ONCE):
        own = (load_chunks.c.load == row.load, load_chunks.c.chunk == row.chunk)
        connection.execute(update(load_chunks).where(*own).values(cleared=True))
    return True


def _forget(connection: Connection, now: datetime) -> bool:
    old = (loads.c.started_at < now - _KEPT, loads.c.ended_at < now - _KEPT)
    numbers = list(connection.scalars(select(loads.c.number).where(*old).limit(10)))
    if numbers:
        connection.execute(delete(load_chunks).where(load_chunks.c.load.in_(numbers)))
        connection.execute(delete(loads).where(loads.c.number.in_(numbers)))
    return bool(numbers)
