"""Partition measurements: two workers on one queue or several, with each server's CPU and the WAL of an event."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bench.backlog import fill
from bench.events import Backlog
from bench.places import Place, Servers
from bench.processes import Child, MeasurementFailed, ServersGauge
from bench.results import Figures
from bench.throughput import run_worker
from broker.connection import open_connection, release
from consumers.source import BatchLimits, KombuSource
from schemas.partitions import Partitions, parse_partitions
from schemas.topology import event_queue

__all__ = ["acknowledged", "filled", "spread"]

_STOCK = event_queue("stock")
_SILENT_SECONDS = 30.0


def spread(servers: Servers, backlog: Backlog, partitions: int) -> Figures:
    """Measure two worker processes on so many partitions of stock, by key; one is the domain's one queue."""
    setting = f"stock={partitions}"
    with servers.loaded(backlog, parse_partitions(setting, "key")) as place:
        costs = _Costs(place)
        environment = {"COMPORTA_PARTITIONS": setting, "COMPORTA_PARTITION_BY": "key"}
        figures = run_worker(place, backlog, 2, costs.watch, environment=environment)
        return figures | costs.per_event(backlog.count)


def acknowledged(servers: Servers, backlog: Backlog, partitions: int) -> Figures:
    """Measure one consumer that only acknowledges: as fast as the broker gives."""
    layout = parse_partitions(f"stock={partitions}", "key")
    with servers.loaded(backlog, layout) as place:
        costs = _Costs(place)
        connection = open_connection(place.broker_url, name="bench")
        try:
            with costs.watch([]):
                seconds = _drain(KombuSource(connection, _queues(layout), BatchLimits()), backlog.count)
        finally:
            release(connection)
        return {"events": backlog.count, "events_per_second": backlog.count / seconds, **costs.per_event(backlog.count)}


def filled(servers: Servers, backlog: Backlog, partitions: int) -> Figures:
    """Measure a publisher that fills the queues, until all of it is in them."""
    layout = parse_partitions(f"stock={partitions}", "key")
    with servers.loaded(Backlog(0), layout) as place:
        costs = _Costs(place)
        began = time.perf_counter()
        with costs.watch([]):
            fill(place.broker_url, backlog, layout)
            seconds = time.perf_counter() - began
        return {"events": backlog.count, "events_per_second": backlog.count / seconds, **costs.per_event(backlog.count)}


class _Costs:
    """CPU of RabbitMQ and of PostgreSQL, and bytes of WAL, of one measurement."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._found: Figures = {}

    @contextmanager
    def watch(self, _children: Sequence[Child]) -> Iterator[None]:
        """Measure as long as the block lasts."""
        gauges = [ServersGauge([pid]) for pid in self._place.server_pids]
        if len(gauges) != len(("RabbitMQ", "PostgreSQL")):
            raise MeasurementFailed("the CPU of servers that this run has not started can't be read")
        before = self._wal()
        yield
        self._found = {
            "rabbitmq_cpu_us_per_event": 1e6 * gauges[0].cpu_seconds,
            "postgresql_cpu_us_per_event": 1e6 * gauges[1].cpu_seconds,
            "wal_bytes_per_event": self._wal() - before,
        }

    def per_event(self, count: int) -> Figures:
        """Return the costs of one of so many events."""
        return {name: value / count for name, value in self._found.items()}

    def _wal(self) -> float:
        with self._place.query() as database:
            [[position]] = database.execute("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")
        return float(position)


def _queues(partitions: Partitions) -> list[str]:
    return partitions.names or [_STOCK]


def _drain(source: KombuSource, count: int) -> float:
    """Receive and acknowledge so many messages; return the seconds that it took."""
    began = heard = time.perf_counter()
    left = count
    while left:
        batch = source.receive(0.25)
        if batch:
            source.settle(batch)
            left -= len(batch)
            heard = time.perf_counter()
        elif time.perf_counter() - heard > _SILENT_SECONDS:
            raise MeasurementFailed(f"{left} of {count} messages never came")
    return time.perf_counter() - began
