"""Upkeep: roll-up, deletion and missing search texts in short steps, by one process at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Connection, exists, func, or_, select

from rules.retention import KINDS, Retention, next_size
from storage.dialect import database_now, insert_into
from storage.expired_rows import ExpiredRows, expired_rows
from storage.fence import Fence
from storage.history_tables import history
from storage.missing_texts import add_texts, count_missing, missing_texts
from storage.rollup import ROLL_UPS, RollUp, count_uncounted, count_unrolled, has_uncounted, roll_up, unrolled_rows
from storage.tables import switches
from storage.types import UtcTime
from storage.upkeep_tables import upkeep

__all__ = ["LEASE", "TEXTS", "Step", "Upkeep"]

LEASE = timedelta(seconds=60)
# The kind of the steps that add search texts to refused messages.
TEXTS = "search_texts"
_LOCK = "lock"
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_SIZE = 100
# Two or three milliseconds of PostgreSQL, which has trigrams to write.
_FIRST_TEXTS = 10
# Found at once outside the fence, and then deleted in several steps.
_FOUND_AT_ONCE = 5_000


class Step(NamedTuple):
    """A step that has committed: its kind, the rows that went or got a text, and the seconds of its transaction.

    Texts are added outside the fence: on PostgreSQL an index may put its pending entries in order just then.
    """

    kind: str
    rows: int
    seconds: float


class Upkeep:
    """The upkeep of one process; `holder` names it."""

    def __init__(self, fence: Fence, retention: Retention, holder: str) -> None:
        self._fence = fence
        self._retention = retention
        self._holder = holder
        self._size = _FIRST_SIZE

    def claim(self) -> bool:
        """Take or renew the lease; return False while another process has it."""
        with self._fence.snapshot() as connection:
            other = connection.execute(
                select(upkeep.c.holder, upkeep.c.until).where(upkeep.c.name == _LOCK)
            ).one_or_none()
            if other is not None and other.holder != self._holder and other.until > database_now(connection):
                return False
        with self._fence.shared() as connection:
            now = database_now(connection)
            free = or_(upkeep.c.holder == self._holder, upkeep.c.until <= now)
            return _write(connection, _LOCK, free, holder=self._holder, until=now + LEASE)

    def release(self) -> None:
        """End the lease, if this process has it."""
        with self._fence.shared() as connection:
            mine = (upkeep.c.name == _LOCK) & (upkeep.c.holder == self._holder)
            connection.execute(upkeep.update().where(mine).values(until=database_now(connection)))

    def counts(self) -> dict[str, int]:
        """Count the rows that would be rolled up, deleted or given a search text now, by kind; the latter if any."""
        with self._fence.snapshot() as connection:
            found = {"ledger": 0}
            for roll, until in self._roll_ups(connection):
                found["ledger"] += count_unrolled(connection, roll, _position(connection, roll), until)
            for rows in self._expired(connection):
                found[rows.kind] = found.get(rows.kind, 0) + rows.count(connection)
            if missing := count_missing(connection):
                found[TEXTS] = missing
        return found

    def steps(self) -> Iterator[Step]:
        """Do the upkeep; yield each step after its commit. The caller holds the lease, and renews it between steps."""
        with self._fence.snapshot() as connection:
            roll_ups, expired = list(self._roll_ups(connection)), list(self._expired(connection))
        for roll, until in roll_ups:
            yield from self._roll(roll, until)
        for rows in expired:
            yield from self._delete(rows)
        yield from self._add_texts()

    def _roll_ups(self, connection: Connection) -> Iterator[tuple[RollUp, datetime]]:
        """Yield what is rolled up, each to its end; minutes of a pause that lasts stay."""
        now = database_now(connection)
        since = _running_since(connection) or now
        ages = {"hour": self._retention.ledger_minutes, "day": self._retention.ledger_hours}
        for roll in ROLL_UPS:
            if (age := ages[roll.unit]) is not None:
                yield roll, roll.start(min(now - age, since))

    def _expired(self, connection: Connection) -> Iterator[ExpiredRows]:
        now = database_now(connection)
        for kind in KINDS:
            if (age := self._retention.age(kind)) is None:
                continue
            before = now - age
            if kind == "audit":
                # The report of a pause that lasts is read from its entry.
                before = min(before, _running_since(connection) or before)
            if kind == "history" and not connection.scalar(select(exists(1).select_from(history))):
                # It was never on, or all of it is gone.
                continue
            yield from expired_rows(kind, before)

    def _roll(self, roll: RollUp, until: datetime) -> Iterator[Step]:
        with self._fence.snapshot() as connection:
            begun = position = _position(connection, roll)
            uncounted = has_uncounted(connection, roll, position, until)
        if uncounted:
            # Before the first of its rows goes, and whole.
            yield self._step("ledger", partial(count_uncounted, after=position, until=until))
        while position < until:
            with self._fence.snapshot() as connection:
                rows = unrolled_rows(connection, roll, position, until, self._size)
            if not rows:
                break
            yield self._step("ledger", partial(roll_up, roll=roll, rows=rows))
            position = rows[-1].minute
        if until <= begun:
            return
        with self._fence.shared() as connection:
            now = database_now(connection)
            _write(connection, roll.name, None, holder=self._holder, until=now, position=until)

    def _delete(self, expired: ExpiredRows) -> Iterator[Step]:
        while True:
            with self._fence.snapshot() as connection:
                keys = expired.find(connection, _FOUND_AT_ONCE)
            gone = 0
            while keys:
                now, keys = keys[: self._size], keys[self._size :]
                step = self._step(expired.kind, partial(expired.delete, keys=now))
                gone += step.rows
                yield step
            if not gone:
                return

    def _add_texts(self) -> Iterator[Step]:
        size, after = _FIRST_TEXTS, ""
        while texts := missing_texts(self._fence, after, size):
            after = next(reversed(texts))
            with self._fence.outside() as connection:
                began = time.perf_counter()
                added = add_texts(connection, texts)
            step = Step(TEXTS, added, time.perf_counter() - began)
            size = next_size(size, step.seconds)
            yield step

    def _step(self, kind: str, run: Callable[[Connection], int]) -> Step:
        with self._fence.shared() as connection:
            began = time.perf_counter()
            rows = run(connection)
        seconds = time.perf_counter() - began
        self._size = next_size(self._size, seconds)
        return Step(kind, rows, seconds)


def _position(connection: Connection, roll: RollUp) -> datetime:
    query = select(upkeep.c.position).where(upkeep.c.name == roll.name)
    position: datetime | None = connection.scalar(query)
    return position or _BEGINNING


def _running_since(connection: Connection) -> datetime | None:
    since: datetime | None = connection.scalar(
        select(func.min(switches.c.since, type_=UtcTime())).where(switches.c.off)
    )
    return since


def _write(connection: Connection, name: str, where: Any, **values: Any) -> bool:
    """Write a row if the condition holds for the one that is there; return whether it was written."""
    insert: Any = insert_into(connection.dialect.name, upkeep).values(name=name, **values)
    statement = insert.on_conflict_do_update(index_elements=["name"], set_=values, where=where)
    return connection.scalar(statement.returning(upkeep.c.name)) is not None
