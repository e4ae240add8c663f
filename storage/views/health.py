"""Health of the consumption, from heartbeats, the queues' last reading and the feeds' activity."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import Connection

from rules.consumption import Beat, judge_consumption
from schemas.health import DomainHealth, Health
from storage.views.readings import Readings, WorkerReading, read_installation

__all__ = ["judged_health", "read_health"]

# A worker reports the lag of its last minute.
_REPORTED = timedelta(minutes=1)


def read_health(connection: Connection, now: datetime) -> Health:
    """Read what is known of workers and queues, and judge it."""
    return judged_health(read_installation(connection), now)


def judged_health(readings: Readings, now: datetime) -> Health:
    """Judge what was read of workers and queues."""
    lags, last_changes = _lags(readings.workers, now), readings.last_changes
    known = [Beat(worker.domains, worker.started_at, worker.last_seen) for worker in readings.workers]
    judged = judge_consumption(now, known, readings.queues, last_changes, lags)
    domains = {
        name: DomainHealth(**domain._asdict(), last_change=last_changes.get(name), lag=lags.get(name))
        for name, domain in judged.domains.items()
    }
    return Health(state=judged.state, cause=judged.cause, since=judged.since, ready=judged.ready, domains=domains)


def _lags(rows: Iterable[WorkerReading], now: datetime) -> dict[str, float]:
    """Return the longest lag that a living worker reports, by domain."""
    lags: dict[str, float] = {}
    for row in rows:
        for domain, seconds in (row.lags or {}).items() if now - row.last_seen < _REPORTED else ():
            lags[domain] = max(seconds, lags.get(domain, 0.0))
    return lags
