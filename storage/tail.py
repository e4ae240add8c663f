"""Outcome tail for `comporta tail`; workers record the outcome of each item only while a watcher exists.

A watcher holds a lease that lapses by the database's clock. While any lease holds, a batch adds one row of `outcomes`
inside its own transaction. A row is shown when it is first seen, whatever its id: the rows of two workers may become
visible in another order than that of their ids.
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
from schemas.full_load import LoadMessage
from storage.dialect import database_now
from storage.entities import key_text
from storage.errors import Unavailable, translated
from storage.tables import outcomes, watchers

__all__ = [
    "LEASE",
    "MOST_LINES",
    "RETENTION",
    "OutcomeBatch",
    "OutcomeTail",
    "TailPage",
    "forget_outcomes",
    "record_outcomes",
    "remove_outcomes",
]
LEASE = timedelta(seconds=10)
# Far longer than a lease, so that recorded outcomes outlive a short delay of the watcher.
RETENTION = timedelta(seconds=60)
MOST_LINES = 1_000
Item = ChangeEvent | LoadMessage | RejectedDelivery
_MOST_BATCHES = 50


def record_outcomes(
    connection: Connection, worker: str, batch: Sequence[Item], results: Sequence[Outcome], now: datetime
) -> None:
    """Record the outcome of each item of a batch for the watchers, of the first 1,000 at most."""
    row = {
        "id": str(uuid7()),
        "at": now,
        "worker": worker,
        "lines": orjson.dumps(list(_lines(batch[:MOST_LINES], results))).decode(),
        "left_out": max(0, len(batch) - MOST_LINES),
    }
    connection.execute(outcomes.insert(), row)


def forget_outcomes(connection: Connection, now: datetime) -> None:
    """Delete the outcomes that every watcher has had time to read, and the watchers whose lease has lapsed."""
    remove_outcomes(connection, outcomes.c.at < now - RETENTION)
    connection.execute(_removing(watchers, watchers.c.until < now))


def remove_outcomes(connection: Connection, condition: ColumnElement[bool]) -> None:
    """Delete the outcomes that match; rows that another transaction is deleting are skipped."""
    connection.execute(_removing(outcomes, condition))


def _removing(table: Table, condition: ColumnElement[bool]) -> Delete:
    free = select(table.c.id).where(condition).with_for_update(skip_locked=True)
    return delete(table).where(table.c.id.in_(free))


def _lines(batch: Sequence[Item], results: Sequence[Outcome]) -> Iterator[dict[str, Any]]:
    for item, outcome in zip(batch, results, strict=False):
        detail: dict[str, Any]
        if isinstance(item, RejectedDelivery):
            detail = {"key": None, "version": None, "reason": item.refusal.reason, "pointer": item.refusal.pointer}
        elif not isinstance(item, ChangeEvent):
            detail = {"key": None, "version": None, "reason": None, "pointer": None}
        else:
            detail = {
                "key": orjson.Fragment(key_text(item.domain, item.key)),
                "version": item.version,
                "reason": None,
                "pointer": None,
            }
        yield {"shop": item.shop, "domain": item.domain, "outcome": outcome, **detail}


@dataclass(frozen=True, slots=True)
class OutcomeBatch:
    """A committed batch: its time, the outcomes of its items, and the number of items left out."""

    at: datetime
    lines: list[dict[str, Any]]
    left_out: int


@dataclass(frozen=True, slots=True)
class TailPage:
    """The batches since the last read; `more` means that another read returns further batches at once.

    `removed` counts batches that aged out before they were read; `lapsed` means that the lease had ended, so that
    outcomes in between were not recorded.
    """

    batches: tuple[OutcomeBatch, ...]
    removed: int
    lapsed: bool
    more: bool


class OutcomeTail:
    """A watcher, whose lease lasts for the block; for one thread only.

    Each batch is read once, and a batch that was lost is counted.
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
            # Batches that exist already were recorded for other watchers.
            self._seen = set(connection.scalars(select(outcomes.c.id)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # If the database is unavailable, the lease lapses, as for a watcher that was killed.
        with suppress(Unavailable), translated(), self._engine.begin() as connection:
            now = database_now(connection)
            others = exists(1).where(watchers.c.id != self._id, watchers.c.until > now)
            connection.execute(delete(watchers).where(watchers.c.id == self._id))
            remove_outcomes(connection, ~others)

    def look(self) -> TailPage:
        """Return the batches committed since the last call, in the order of their ids, and the number of lost ones."""
        with translated(), self._engine.begin() as connection:
            lapsed = self._renew(connection)
            ids = list(connection.scalars(select(outcomes.c.id).order_by(outcomes.c.id)))
            new = [identity for identity in ids if identity not in self._seen]
            page, remaining = new[:_MOST_BATCHES], new[_MOST_BATCHES:]
            batches = _read(connection, page)
        removed = len(self._waiting.difference(ids)) + len(page) - len(batches)
        self._seen.intersection_update(ids)
        self._seen.update(page)
        self._waiting = set(remaining)
        return TailPage(batches, removed, lapsed, bool(remaining))

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


def _read(connection: Connection, ids: list[str]) -> tuple[OutcomeBatch, ...]:
    if not ids:
        return ()
    rows = connection.execute(select(outcomes).where(outcomes.c.id.in_(ids)).order_by(outcomes.c.id))
    return tuple(OutcomeBatch(row.at, orjson.loads(row.lines), row.left_out) for row in rows)
