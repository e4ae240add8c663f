"""Outcomes for whoever watches: a batch tells them one by one only while somebody does.

A watcher holds a lease that lapses by the database's clock. While any holds, a batch adds one row of `outcomes`
inside its own transaction. A row is shown when it is first seen, whatever its id: two workers' rows may become
visible in another order than they were numbered in.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

import orjson
from sqlalchemy import ColumnElement, Connection, Delete, Engine, Table, delete, exists, select, update
from uuid_utils import uuid7

from rules.outcomes import Outcome, RejectedDelivery
from schemas.events import ChangeEvent
from storage.dialect import database_now
from storage.entities import key_text
from storage.errors import Unavailable, translated
from storage.tables import outcomes, watchers

__all__ = [
    "KEPT",
    "LEASE",
    "MOST_LINES",
    "OutcomeBatch",
    "OutcomeTail",
    "TailPage",
    "forget_outcomes",
    "record_outcomes",
    "remove_outcomes",
]
LEASE = timedelta(seconds=10)
# Far longer than a lease: what was told while somebody watched outlives a watcher that is slow for a moment.
KEPT = timedelta(seconds=60)
MOST_LINES = 1_000
Item = ChangeEvent | RejectedDelivery
_MOST_BATCHES = 50


def record_outcomes(
    connection: Connection, worker: str, batch: Sequence[Item], found: Sequence[Outcome], now: datetime
) -> None:
    """Tells whoever watches what became of each item of a batch, of the first 1,000 at most."""
    row = {
        "id": str(uuid7()),
        "at": now,
        "worker": worker,
        "lines": orjson.dumps(list(_lines(batch[:MOST_LINES], found))).decode(),
        "left_out": max(0, len(batch) - MOST_LINES),
    }
    connection.execute(outcomes.insert(), row)


def forget_outcomes(connection: Connection, now: datetime) -> None:
    """Removes what is old enough to have been seen, and the watchers that went without saying so."""
    remove_outcomes(connection, outcomes.c.at < now - KEPT)
    connection.execute(_removing(watchers, watchers.c.until < now))


def remove_outcomes(connection: Connection, which: ColumnElement[bool]) -> None:
    """Removes some outcomes; those that somebody else is removing just now are left to them."""
    connection.execute(_removing(outcomes, which))


def _removing(table: Table, which: ColumnElement[bool]) -> Delete:
    free = select(table.c.id).where(which).with_for_update(skip_locked=True)
    return delete(table).where(table.c.id.in_(free))


def _lines(batch: Sequence[Item], found: Sequence[Outcome]) -> Iterator[dict[str, Any]]:
    for item, outcome in zip(batch, found, strict=False):
        said: dict[str, Any]
        if isinstance(item, RejectedDelivery):
            said = {"key": None, "version": None, "reason": item.refusal.reason, "pointer": item.refusal.pointer}
        else:
            said = {"key": orjson.Fragment(key_text(item)), "version": item.version, "reason": None, "pointer": None}
        yield {"shop": item.shop, "domain": item.domain, "outcome": outcome, **said}


@dataclass(frozen=True, slots=True)
class OutcomeBatch:
    """One batch: when it was committed, what became of its events, how many of them are left out."""

    at: datetime
    lines: list[dict[str, Any]]
    left_out: int


@dataclass(frozen=True, slots=True)
class TailPage:
    """What came since the last look; `more` says that another look would find more at once.

    `removed` counts batches that aged out before they were read; `lapsed` says that nothing was told for a while.
    """

    batches: tuple[OutcomeBatch, ...]
    removed: int
    lapsed: bool
    more: bool


class OutcomeTail:
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

    def look(self) -> TailPage:
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
        return TailPage(batches, removed, lapsed, bool(left))

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


def _read(connection: Connection, wanted: list[str]) -> tuple[OutcomeBatch, ...]:
    if not wanted:
        return ()
    rows = connection.execute(select(outcomes).where(outcomes.c.id.in_(wanted)).order_by(outcomes.c.id))
    return tuple(OutcomeBatch(row.at, orjson.loads(row.lines), row.left_out) for row in rows)
