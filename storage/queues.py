"""Queue readings: the lengths and consumers of the queues, kept for the processes that show them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

from sqlalchemy import Connection, bindparam, case, delete, func, select

from rules.consumption import QueueState
from storage.dialect import before_conflict, database_now, dump_rows, insert_into, rowset
from storage.fence import Fence
from storage.health_tables import queues
from storage.types import UtcTime

__all__ = ["QueueReadings", "read_queues"]

# Every process reads the queues; a reading that is younger than this is not replaced.
_FRESH = timedelta(seconds=1)
# One process may have lost the broker while others reach it: only where none does the broker is away.
_REACHED = timedelta(seconds=4)
_READ = ("queue", "ready", "consumers", "checked_at", "consumed_at", "waiting_since")
_NAMES = select(queues.c.queue)


@dataclass(frozen=True, slots=True)
class QueueReadings:
    """The rows of the queues, one statement a reading."""

    fence: Fence

    def record(self, counts: Mapping[str, tuple[int, int | None]]) -> None:
        """Record the messages that are ready and the consumers (None: not counted) of each queue."""
        if not counts:
            return
        with self.fence.shared() as connection:
            now = database_now(connection)
            dialect = connection.dialect.name
            rows = (
                {
                    "queue": queue,
                    "ready": ready,
                    "consumers": consumers,
                    "checked_at": now,
                    "consumed_at": now if consumers is None or consumers > 0 else None,
                    "waiting_since": now if ready else None,
                }
                for queue, (ready, consumers) in sorted(counts.items())
            )
            connection.execute(_upsert(dialect), {"rows": dump_rows(dialect, rows), "before": now - _FRESH})

    def record_away(self, names: list[str]) -> None:
        """Record that the broker did not answer; these queues could not be read."""
        with self.fence.shared() as connection:
            now = database_now(connection)
            rows = [
                {"queue": queue, "checked_at": now, "away_since": now, "before": now - _REACHED}
                for queue in sorted(names)
            ]
            connection.execute(_upsert_away(connection.dialect.name), rows)

    def names(self) -> list[str]:
        """Return the queues that any process has read."""
        with self.fence.glance() as connection:
            return list(connection.scalars(_NAMES))

    def forget(self, names: Collection[str]) -> None:
        """Forget queues that are not there any more."""
        with self.fence.shared() as connection:
            connection.execute(delete(queues).where(queues.c.queue.in_(names)))


def read_queues(connection: Connection) -> dict[str, QueueState]:
    """Read the last reading of every queue."""
    return {
        row.queue: QueueState(
            row.ready, row.consumers, row.checked_at, row.consumed_at, row.waiting_since, row.away_since
        )
        for row in connection.execute(select(queues))
    }


def _before() -> Any:
    return bindparam("before", type_=UtcTime())


@cache
def _upsert(dialect: str) -> Any:
    # As one statement: prepared, where one for each queue is not.
    rows = rowset(dialect, {name: queues.c[name].type for name in _READ}).columns
    source = before_conflict(select(*(rows[name] for name in _READ)))
    insert = insert_into(dialect, queues).from_select(_READ, source)
    new = insert.excluded
    return insert.on_conflict_do_update(
        index_elements=["queue"],
        set_={
            "ready": new.ready,
            "consumers": new.consumers,
            "checked_at": new.checked_at,
            "consumed_at": func.coalesce(new.consumed_at, queues.c.consumed_at),
            "waiting_since": case((new.ready == 0, None), else_=func.coalesce(queues.c.waiting_since, new.checked_at)),
            "away_since": None,
        },
        # That a process reaches the broker counts more than that another does not.
        where=(queues.c.away_since.is_not(None)) | (queues.c.checked_at < _before()),
    )


@cache
def _upsert_away(dialect: str) -> Any:
    insert = insert_into(dialect, queues)
    new = insert.excluded
    return insert.on_conflict_do_update(
        index_elements=["queue"],
        set_={
            "checked_at": new.checked_at,
            "away_since": func.coalesce(queues.c.away_since, new.away_since),
        },
        # A reading that found the broker away is replaced by the next one of any process.
        where=(queues.c.away_since.is_not(None)) | (queues.c.checked_at < _before()),
    )
