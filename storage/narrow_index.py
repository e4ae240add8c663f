"""Narrowing of the missed keys' index, once nobody needs the primary key: the last step of an upgrade (0037).

Workers of a former release find a row by the primary key, so it stays while any of them has been heard of lately; their
heartbeats name no revision. The narrow index is made beside the flow. Then the primary key goes alone behind the fence,
with the row that tells workers which index there is: no batch is between its reading of that row and its commit. An
attempt that ends in between is taken up by the next one.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, exists, func, or_, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from storage.fence import Fence
from storage.missed_index import NARROW, VALUES, is_narrow
from storage.pooler import is_pooled
from storage.tables import generations, workers

__all__ = ["Narrowing", "narrow_missed"]

# The first revision whose workers ask which index there is.
_REVISION = "0037"
# A worker that hangs, or can't reach the database, for longer than this repeats its batches until it is replaced.
_HEARD_OF = timedelta(hours=1)
# Beside other work an index of so much is made within the time that a statement may take.
_MOST_BYTES = 256 * 1024 * 1024
# Batches wait meanwhile.
_LOCK_MS = 200

_STATE = text(
    """
    SELECT pg_has_role(c.relowner, 'USAGE') AS owned, pg_relation_size(c.oid) AS bytes, i.indisvalid AS valid,
           p.conname AS primary_key
    FROM pg_class c
    LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indexrelid = to_regclass('missed_values')
    LEFT JOIN pg_constraint p ON p.conrelid = c.oid AND p.contype = 'p'
    WHERE c.oid = to_regclass('missed')
    """
)
_CREATE = f"CREATE UNIQUE INDEX CONCURRENTLY {NARROW} ON missed (domain, shop, {VALUES})"
_DROP_INVALID = f"DROP INDEX CONCURRENTLY IF EXISTS {NARROW}"


class Narrowing(StrEnum):
    """The result of an attempt; anything but the first two means that the primary key stays for now."""

    NARROW = "narrow"
    NARROWED = "narrowed"
    FORMER_WORKERS = "former workers"
    NOT_OWNER = "not the owner"
    LARGE = "large"


def narrow_missed(fence: Fence, *, patient: bool = False) -> Narrowing:
    """Take the primary key's place by the narrow index, if nobody needs it; to repeat it is harmless.

    `patient` takes the time that it needs: without it, a large table stays as it is. Raises `StorageError`, for example
    where another connection keeps a lock; then the next attempt goes on.
    """
    with fence.snapshot() as connection:
        if connection.dialect.name != "postgresql":
            return Narrowing.NARROW
        state = connection.execute(_STATE).one()
        if _is_done(connection, state):
            return Narrowing.NARROW
        if not state.owned:
            return Narrowing.NOT_OWNER
        if _has_former_workers(connection):
            return Narrowing.FORMER_WORKERS
        if state.bytes > _MOST_BYTES and not (patient or state.valid):
            return Narrowing.LARGE
    if not state.valid:
        _build(fence, interrupted=state.valid is not None, patient=patient)
    return _switch_over(fence)


def _is_done(connection: Connection, state: Any) -> bool:
    # Not by the row alone: it may come from a backup of the data, without the index.
    return is_narrow(connection) and state.valid and state.primary_key is None


def _has_former_workers(connection: Connection) -> bool:
    former = or_(workers.c.revision.is_(None), workers.c.revision < _REVISION)
    heard_of = workers.c.last_seen > func.clock_timestamp() - _HEARD_OF
    return bool(connection.scalar(select(exists(1).where(former, heard_of))))


def _build(fence: Fence, *, interrupted: bool, patient: bool) -> None:
    with fence.glance() as connection:
        if patient and not is_pooled(connection):
            for limit in ("statement_timeout", "lock_timeout"):
                connection.exec_driver_sql(f"SET {limit} = 0")
        try:
            if interrupted:
                connection.exec_driver_sql(_DROP_INVALID)
            connection.exec_driver_sql(_CREATE)
            # Without statistics of the indexed text, a batch could read the whole table.
            connection.exec_driver_sql("ANALYZE missed")
        except DBAPIError:
            # What is left would cost every discard as much as an index that is used.
            with suppress(DBAPIError):
                connection.exec_driver_sql(_DROP_INVALID)
            raise
        finally:
            # Of this connection alone, which others use afterwards without the limits.
            if patient and not is_pooled(connection):
                connection.invalidate()


def _switch_over(fence: Fence) -> Narrowing:
    with fence.exclusive() as connection:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_LOCK_MS}")
        connection.exec_driver_sql("LOCK TABLE missed IN ACCESS EXCLUSIVE MODE")
        state = connection.execute(_STATE).one()
        if _is_done(connection, state):
            return Narrowing.NARROW
        if not state.valid or _has_former_workers(connection):
            return Narrowing.FORMER_WORKERS
        if state.primary_key is not None:
            quoted = connection.dialect.identifier_preparer.quote(state.primary_key)
            # Where changes are published to other databases, deletes need a replica identity.
            connection.exec_driver_sql(f"ALTER TABLE missed DROP CONSTRAINT {quoted}, REPLICA IDENTITY FULL")
        connection.execute(insert(generations).on_conflict_do_nothing(), {"name": NARROW, "number": 1})
    return Narrowing.NARROWED
