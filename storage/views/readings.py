"""Readings of the installation: workers, queues and the last changes, in one statement.

Beside busy processes a reader waits for its turn with every statement.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection, Text, func, literal, null, select, type_coerce, union_all
from sqlalchemy.types import TypeEngine

from rules.consumption import QueueState
from storage.health_tables import feed_activity, queues
from storage.tables import workers
from storage.types import UtcTime

__all__ = ["Readings", "WorkerReading", "read_installation"]


class WorkerReading(NamedTuple):
    """A worker by its last heartbeat; `lags` are seconds by domain."""

    id: str
    host: str
    pid: int
    epoch_seen: int
    last_seen: datetime
    started_at: datetime
    domains: list[str]
    lags: dict[str, float] | None


class Readings(NamedTuple):
    """The workers in the order of their start, the queues by name, and the last change of each domain."""

    workers: list[WorkerReading]
    queues: dict[str, QueueState]
    last_changes: dict[str, datetime]


def read_installation(connection: Connection) -> Readings:
    """Read all of it."""
    rows: defaultdict[str, list[Any]] = defaultdict(list)
    for row in connection.execute(_READ).all():
        rows[row[0]].append(row[1:])
    found = [
        WorkerReading(identity, host, pid, epoch, seen, started, domains, lags)
        for identity, host, pid, epoch, seen, started, _, _, domains, lags in rows["worker"]
    ]
    return Readings(
        sorted(found, key=attrgetter("started_at")),
        {name: QueueState(ready, consumers, *times) for name, _, ready, consumers, *times, _, _ in rows["queue"]},
        {domain: at for domain, _, _, _, at, *_ in rows["feed"]},
    )


def _blank(kind: TypeEngine[Any]) -> Any:
    return type_coerce(null(), kind)


def _kind(name: str) -> Any:
    return literal(name, Text()).label("kind")


_TIME, _TEXT = UtcTime(), Text()
_BEATS = (workers.c.last_seen, workers.c.started_at, _blank(_TIME), _blank(_TIME), workers.c.domains, workers.c.lags)
_QUEUE_TIMES = (queues.c.checked_at, queues.c.consumed_at, queues.c.waiting_since, queues.c.away_since)
# Each column has its type from one of the first two: PostgreSQL takes a column of nulls alone for a text.
_READ = union_all(
    select(_kind("worker"), workers.c.id, workers.c.host, workers.c.pid, workers.c.epoch_seen, *_BEATS),
    select(
        *(_kind("queue"), queues.c.queue, _blank(_TEXT), queues.c.ready, queues.c.consumers, *_QUEUE_TIMES),
        *(null(), null()),
    ),
    select(
        *(_kind("feed"), feed_activity.c.domain, null(), null(), null()),
        *(func.max(feed_activity.c.last_at, type_=_TIME), *(null() for _ in range(5))),
    ).group_by(feed_activity.c.domain),
)
