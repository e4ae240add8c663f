"""Consumption: whether the messages of each domain are taken from the queues, and since when they are not."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from schemas.domains import DOMAIN_NAMES, ORDERS
from schemas.partitions import change_domain, partition_number
from schemas.topology import ORDERS_QUEUE, RECEIPTS_QUEUE, event_queue

__all__ = [
    "Beat",
    "Cause",
    "Consumption",
    "DomainConsumption",
    "QueueState",
    "State",
    "judge_consumption",
    "queues_of",
    "worst_of",
]

State = Literal["ok", "stopped", "delayed", "unknown"]
Cause = Literal["no_consumer", "broker_away", "backlog"]

# A heartbeat comes once a second, and a batch may keep it for some seconds.
_SILENT = timedelta(seconds=15)
# The queues are read every two seconds by every process.
_STALE = timedelta(seconds=15)
# A worker that is replaced or reconnects takes no messages for a moment; this is no stop.
_GRACE = timedelta(seconds=10)
# Messages that have waited for so long, while none of their domain was committed, or only old ones.
_LATE = timedelta(seconds=60)


class Beat(NamedTuple):
    """A worker: the domains that it consumes, its start and its last heartbeat."""

    domains: Collection[str]
    started_at: datetime
    last_seen: datetime


class QueueState(NamedTuple):
    """A queue as it was last read; `consumers` is None where the broker does not count them.

    `consumed_at`: the last reading with a consumer. `waiting_since`: the first reading since which messages have always
    waited. `away_since`: the first attempt without an answer, None while the broker answers.
    """

    ready: int | None
    consumers: int | None
    checked_at: datetime
    consumed_at: datetime | None = None
    waiting_since: datetime | None = None
    away_since: datetime | None = None


class DomainConsumption(NamedTuple):
    """The state of one domain. `ready` and `consumers` are None where the queue could not be read of late."""

    state: State
    cause: Cause | None
    since: datetime | None
    ready: int | None
    consumers: int | None


class Consumption(NamedTuple):
    """The state of all domains together; `ready` counts the messages that wait in the domains of this state."""

    state: State
    cause: Cause | None
    since: datetime | None
    ready: int | None
    domains: Mapping[str, DomainConsumption]


def queues_of(domain: str, names: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the queues of a domain: orders have one for the shop's orders and one for the ERP's receipts.

    To a domain of change events belong its partitions among these names, too.
    """
    if domain == ORDERS:
        return ORDERS_QUEUE, RECEIPTS_QUEUE
    spread = (name for name in names if partition_number(name) is not None and change_domain(name) == domain)
    return event_queue(domain), *spread


def judge_consumption(
    now: datetime,
    beats: Sequence[Beat],
    queues: Mapping[str, QueueState],
    last_changes: Mapping[str, datetime],
    lags: Mapping[str, float],
) -> Consumption:
    """Judge every domain, and all together; `last_changes` and `lags` (seconds) are by domain."""
    domains = {}
    for domain in DOMAIN_NAMES:
        relevant = [beat for beat in beats if domain in beat.domains]
        domains[domain] = _judge(
            now, relevant, _joined(now, domain, queues), last_changes.get(domain), lags.get(domain, 0.0)
        )
    return _overall(domains)


def worst_of(found: Iterable[tuple[State, datetime | None]]) -> tuple[State, datetime | None]:
    """Return the worst of some states, and the earliest time since when it is so."""
    times: dict[State, list[datetime | None]] = {}
    for state, since in found:
        times.setdefault(state, []).append(since)
    for worst in _WORST_FIRST:
        if worst in times:
            return worst, min((since for since in times[worst] if since is not None), default=None)
    return "ok", None


_WORST_FIRST: tuple[State, ...] = ("stopped", "delayed", "unknown")


def _joined(now: datetime, domain: str, queues: Mapping[str, QueueState]) -> QueueState | None:
    """Return the queues of a domain as one, or None if one of them has not been read of late."""
    names = queues_of(domain, queues)
    found = [queues[name] for name in names if name in queues]
    if len(found) < len(names) or any(now - queue.checked_at > _STALE for queue in found):
        return None
    least = min(found, key=_consumers)
    return QueueState(
        None if any(queue.ready is None for queue in found) else sum(queue.ready or 0 for queue in found),
        least.consumers,
        min(queue.checked_at for queue in found),
        least.consumed_at,
        min((queue.waiting_since for queue in found if queue.waiting_since is not None), default=None),
        min((queue.away_since for queue in found if queue.away_since is not None), default=None),
    )


def _consumers(queue: QueueState) -> int:
    return 1 if queue.consumers is None else queue.consumers


def _judge(
    now: datetime, beats: Sequence[Beat], queue: QueueState | None, last_change: datetime | None, lag: float
) -> DomainConsumption:
    last_beat = max((beat.last_seen for beat in beats), default=None)
    alive = last_beat is not None and now - last_beat <= _SILENT
    if queue is None:
        # Without the queues only the heartbeats speak: a living worker may or may not be connected.
        state: State = "unknown" if alive else "stopped"
        return DomainConsumption(state, None if alive else "no_consumer", None if alive else last_beat, None, None)
    counts = (queue.ready, queue.consumers)
    if queue.away_since is not None:
        return DomainConsumption("stopped", "broker_away", queue.away_since, None, None)
    if not alive or queue.consumers == 0:
        taken = _latest(queue.consumed_at if alive or queue.consumers == 0 else None, None if alive else last_beat)
        started = max((beat.started_at for beat in beats), default=None)
        if taken is not None and now - taken <= _GRACE:
            return DomainConsumption("ok", None, None, *counts)
        if alive and taken is None and started is not None and now - started <= _GRACE:
            return DomainConsumption("unknown", None, None, *counts)
        return DomainConsumption("stopped", "no_consumer", taken or (started if alive else None), *counts)
    if queue.ready and queue.waiting_since is not None and now - queue.waiting_since > _LATE:
        idle = last_change is None or now - last_change > _LATE
        if idle or lag > _LATE.total_seconds():
            since = _latest(queue.waiting_since, last_change) if idle else queue.waiting_since
            return DomainConsumption("delayed", "backlog", since, *counts)
    return DomainConsumption("ok", None, None, *counts)


def _overall(domains: Mapping[str, DomainConsumption]) -> Consumption:
    """Judge all domains together.

    A domain that no worker of this installation consumes stops the whole only if messages wait for it.
    """
    stopped = [domain for domain in domains.values() if domain.state == "stopped"]
    if len(stopped) == len(domains):
        times = [domain.since for domain in stopped if domain.since is not None]
        return _of(stopped, max(times, default=None), domains)
    waiting = [domain for domain in stopped if domain.ready or domain.cause == "broker_away"]
    if waiting:
        return _of(waiting, _earliest(waiting), domains)
    for state in ("delayed", "unknown"):
        found = [domain for domain in domains.values() if domain.state == state]
        if found:
            return _of(found, _earliest(found), domains)
    return _of([domain for domain in domains.values() if domain.state == "ok"], None, domains)


def _of(
    found: Sequence[DomainConsumption], since: datetime | None, domains: Mapping[str, DomainConsumption]
) -> Consumption:
    known = [domain.ready for domain in found if domain.ready is not None]
    return Consumption(found[0].state, found[0].cause, since, sum(known) if known else None, domains)


def _earliest(found: Sequence[DomainConsumption]) -> datetime | None:
    return min((domain.since for domain in found if domain.since is not None), default=None)


def _latest(*times: datetime | None) -> datetime | None:
    return max((time for time in times if time is not None), default=None)
