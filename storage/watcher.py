"""One who watches outcomes as they are committed, from whatever process."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

import orjson
from sqlalchemy import Connection, Engine, delete, exists, select, update
from uuid_utils import uuid7

from storage.errors import Unavailable, translated
from storage.tables import outcomes, watchers
from storage.tail import LEASE, database_now, remove_outcomes

__all__ = ["Look", "Seen", "Watcher"]

_MOST_BATCHES = 50


@dataclass(frozen=True, slots=True)
class Seen:
    """One batch: when it was committed, what became of its events, how many of them are left out."""

    at: datetime
    lines: list[dict[str, Any]]
    left_out: int


@dataclass(frozen=True, slots=True)
class Look:
    """What came since the last look; `more` says that another look would find more at once.

    `removed` counts batches that aged out before they were read; `lapsed` says that nothing was told for a while.
    """

    batches: tuple[Seen, ...]
    removed: int
    lapsed: bool
    more: bool


class Watcher:
    """Has every batch told from the start of the block to its end; for one thread only.

    Each batch is seen once, and none is skipped in silence.
    """

    def __init__(self, engine: Engine, lease: timedelta = LEASE) -> None:
        self._engine = engine
        self._lease = lease
        self._renew_seconds = lease.total_seconds() / 5
        self._id = str(uuid7())
        self._seen: set[str] = set()
        self._waiting: set[str] = set()
        self._renewed = 0.0

    def __enter__(self) -> Self:
        with translated(), self._engine.begin() as connection:
            self._join(connection)
        with translated(), self._engine.begin() as connection:
            # What is there already was told to others.
            self._seen = set(connection.scalars(select(outcomes.c.id)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # With the database away it is forgotten as one that was killed.
        with suppress(Unavailable), translated(), self._engine.begin() as connection:
            now = database_now(connection)
            others = exists(1).where(watchers.c.id != self._id, watchers.c.until > now)
            connection.execute(delete(watchers).where(watchers.c.id == self._id))
            remove_outcomes(connection, ~others)

    def look(self) -> Look:
        """What was committed since the last look, in the order it was told in, and what was lost of it."""
        with translated(), self._engine.begin() as connection:
            lapsed = self._renew(connection)
            found = list(connection.scalars(select(outcomes.c.id).order_by(outcomes.c.id)))
            new = [identity for identity in found if identity not in self._seen]
            wanted, left = new[:_MOST_BATCHES], new[_MOST_BATCHES:]
            batches = _read(connection, wanted)
        removed = len(self._waiting.difference(found)) + len(wanted) - len(batches)
        self._seen.intersection_update(found)
        self._seen.update(wanted)
        self._waiting = set(left)
        return Look(batches, removed, lapsed, bool(left))

    def _renew(self, connection: Connection) -> bool:
        if time.monotonic() - self._renewed < self._renew_seconds:
            return False
        now = database_now(connection)
        own = watchers.c.id == self._id
        renewed = connection.execute(
            update(watchers).where(own, watchers.c.until > now).values(until=now + self._lease)
        ).rowcount
        self._renewed = time.monotonic()
        if renewed:
            return False
        connection.execute(delete(watchers).where(own))
        self._join(connection)
        return True

    def _join(self, connection: Connection) -> None:
        until = database_now(connection) + self._lease
        connection.execute(watchers.insert(), {"id": self._id, "until": until})
        self._renewed = time.monotonic()


def _read(connection: Connection, wanted: list[str]) -> tuple[Seen, ...]:
    if not wanted:
        return ()
    rows = connection.execute(select(outcomes).where(outcomes.c.id.in_(wanted)).order_by(outcomes.c.id))
    return tuple(Seen(row.at, orjson.loads(row.lines), row.left_out) for row in rows)
