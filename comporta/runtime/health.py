"""Readiness of a process: its broker and database, and whether messages are taken, each within a time limit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from prometheus_client import CollectorRegistry

from broker.address import read_url
from broker.connection import BrokerLost, is_memory, open_connection, release
from broker.declare import declare
from broker.pulse import Pulse
from comporta.runtime.broker_metrics import BrokerMetrics
from comporta.runtime.health_metrics import read_health
from comporta.runtime.metric_shops import DEFAULT_METRICS_SHOPS, with_most_shops
from comporta.runtime.metrics import Exposition
from comporta.runtime.single_flight import SingleFlight
from consumers.queue_watch import BrokerReading
from rules.consumption import worst_of
from schemas.health import Health, HealthState
from schemas.partitions import NO_PARTITIONS, Partitions
from storage.database import Database
from storage.gauges import Reading

__all__ = ["ConsumptionProbe", "Intake", "Monitor", "Reach", "ReadinessProbe", "monitor_for"]


_PATIENCE = 3.0


# Concurrent requests, and a client that polls every second, share one connection.
_FRESH = 2.0


@dataclass(frozen=True, slots=True)
class Reach:
    """Reachability of a part; `since` is the time of the first check that failed, None while it is reachable."""

    reachable: bool
    since: datetime | None = None


class ReadinessProbe:
    """Checks of parts by name; a check that raises, or takes longer than `patience` seconds, counts as unreachable."""

    def __init__(
        self, checks: Mapping[str, Callable[[], object]], patience: float = _PATIENCE, fresh: float = _FRESH
    ) -> None:
        self._checks = {
            name: SingleFlight(f"reach {name}", check, patience=patience, fresh=fresh) for name, check in checks.items()
        }
        self._away_since: dict[str, datetime] = {}

    async def check(self) -> dict[str, Reach]:
        """Return the present reachability of each part by name."""
        results = await asyncio.gather(*(self._is_reachable(check) for check in self._checks.values()))
        return {name: self._record(name, reachable) for name, reachable in zip(self._checks, results, strict=True)}

    @staticmethod
    async def _is_reachable(check: SingleFlight[object]) -> bool:
        try:
            await check.answer()
        except Exception:
            # Any error counts. Its text stays out of this response, which anyone may read: the component that needs
            # the part logs it.
            return False
        return True

    def _record(self, name: str, reachable: bool) -> Reach:
        if reachable:
            self._away_since.pop(name, None)
            return Reach(True)
        return Reach(False, self._away_since.setdefault(name, datetime.now(UTC)))


@dataclass(frozen=True, slots=True)
class Intake:
    """Consumption from the queues, and since when it is so; `blocks`: this process is not ready then."""

    state: HealthState
    since: datetime | None = None
    blocks: bool = False


class ConsumptionProbe:
    """Check whether messages of the process's own domains are taken; without domains (`admin`), of all.

    A page stays ready when others have stopped: to take it away would hide what it says.
    """

    def __init__(
        self, read: Callable[[], Health], domains: Sequence[str], patience: float = _PATIENCE, fresh: float = _FRESH
    ) -> None:
        self._reading = SingleFlight("consumption", read, patience=patience, fresh=fresh)
        self._domains = domains

    async def check(self) -> Intake:
        """Return the present state, `unknown` while the database does not answer."""
        try:
            health = await self._reading.answer()
        except Exception:
            # The readiness of the database says so by itself.
            return Intake("unknown")
        if not self._domains:
            return Intake(health.state, health.since)
        own = [health.domains[name] for name in self._domains if name in health.domains]
        state, since = worst_of((domain.state, domain.since) for domain in own)
        return Intake(state, since, blocks=state == "stopped")


@dataclass(frozen=True, slots=True)
class Monitor:
    """Health, readiness and metrics of a process; `unhealthy` returns the loops that hang or ended, with the fault."""

    unhealthy: Callable[[], Mapping[str, str]]
    readiness: ReadinessProbe
    consumption: ConsumptionProbe
    exposition: Exposition


def monitor_for(
    broker_url: str,
    database: Database,
    unhealthy: Callable[[], Mapping[str, str]],
    work: CollectorRegistry | None,
    queues: Callable[[], BrokerReading | None],
    domains: Sequence[str],
    *,
    with_gauges: bool,
    disk_minimum: int = 0,
    most_shops: int = DEFAULT_METRICS_SHOPS,
    partitions: Partitions = NO_PARTITIONS,
) -> Monitor:
    """Return the monitor of a process that consumes these domains.

    `work` holds the metrics of its worker, None without one; `queues` returns its last reading of the queues;
    `with_gauges` adds the metrics read from the database. Where fewer than `disk_minimum` bytes are left on the
    database's disk, the process is not ready. Of more than `most_shops` shops, the others share one series.
    """

    def read() -> Reading:
        return with_most_shops(database.gauges.read(), most_shops)

    checks = {
        "broker": _BrokerReach(broker_url, partitions).check,
        "database": database.gauges.ping,
        "disk": database.watch_disk(disk_minimum).check,
    }
    gauges, health = (read, partial(read_health, database.views)) if with_gauges else (None, None)
    exposition = Exposition(work, gauges, BrokerMetrics(queues), health=health)
    return Monitor(unhealthy, ReadinessProbe(checks), ConsumptionProbe(database.views.health, domains), exposition)


class _BrokerReach:
    """Check that a broker's node answers, and, once, that everything of the contract is declared there.

    A control message that is published as soon as the process is ready would otherwise find no queue, and be lost.
    """

    def __init__(self, url: str, partitions: Partitions) -> None:
        self._url = url
        self._partitions = partitions
        self._declared = False

    def check(self) -> None:
        """Return once a node has answered. Raises `BrokerLost`."""
        # The embedded broker is part of this process.
        if is_memory(self._url):
            return
        nodes = len(read_url(self._url).nodes)
        for left in reversed(range(nodes)):
            connection = open_connection(self._url, name="readiness")
            try:
                Pulse(connection).ask(_PATIENCE / nodes)
                if not self._declared:
                    declare(connection, self._partitions)
            except BrokerLost:
                # A node that is cut off from the others accepts connections.
                release(connection, broken=True)
                if not left:
                    raise
            else:
                self._declared = True
                release(connection)
                return
