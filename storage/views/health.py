"""Health of the consumption, from heartbeats, the queues' last reading and the feeds' activity."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, select

from rules.consumption import Beat, judge_consumption
from schemas.health import DomainHealth, Health
from storage.health_tables import feed_activity
from storage.queues import read_queues
from storage.tables import workers

__all__ = ["read_health"]

# A worker reports the lag of its last minute.
_REPORTED = timedelta(minutes=1)
_BEATS = select(workers.c.domains, workers.c.started_at, workers.c.last_seen, workers.c.lags)
_LAST: Any = func.max(feed_activity.c.last_at, type_=feed_activity.c.last_at.type)
_LAST_CHANGES = select(feed_activity.c.domain, _LAST).group_by(feed_activity.c.domain)


def read_health(connection: Connection, now: datetime, beats: Sequence[Row[Any]] | None = None) -> Health:
    """Read what is known of workers and queues, and judge it; `beats` are the rows of the workers where they are read.

    Of a row the domains, the start, the last beat and the lags are used.
    """
    rows = connection.execute(_BEATS).all() if beats is None else beats
    lags = _lags(rows, now)
    last_changes: dict[str, datetime] = {row[0]: row[1] for row in connection.execute(_LAST_CHANGES)}
    known = [Beat(row.domains, row.started_at, row.last_seen) for row in rows]
    judged = judge_consumption(now, known, read_queues(connection), last_changes, lags)
    domains = {
        name: DomainHealth(**domain._asdict(), last_change=last_changes.get(name), lag=lags.get(name))
        for name, domain in judged.domains.items()
    }
    return Health(state=judged.state, cause=judged.cause, since=judged.since, ready=judged.ready, domains=domains)


def _lags(rows: Any, now: datetime) -> dict[str, float]:
    """Return the longest lag that a living worker reports, by domain."""
    lags: dict[str, float] = {}
    for row in rows:
        for domain, seconds in (row.lags or {}).items() if now - row.last_seen < _REPORTED else ():
            lags[domain] = max(seconds, lags.get(domain, 0.0))
    return lags
