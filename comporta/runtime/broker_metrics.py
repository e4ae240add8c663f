"""Metrics of every process: the broker and its queues as this process sees them, the build, and the process itself."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator

from prometheus_client import ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from comporta.runtime.release import program_version
from consumers.queue_watch import BrokerReading

__all__ = ["BrokerMetrics"]


class BrokerMetrics(Collector):
    """Metrics of one reading of the queues; before the first reading only build and process."""

    def __init__(self, read: Callable[[], BrokerReading | None]) -> None:
        self._read = read
        self._process = ProcessCollector(registry=CollectorRegistry())

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics; while the broker is away no queue has one."""
        build = GaugeMetricFamily("comporta_build_info", "1, with the version that runs.", labels=["version", "python"])
        build.add_metric([program_version(), platform.python_version()], 1)
        yield build
        yield from self._process.collect()
        reading = self._read()
        if reading is None:
            return
        yield GaugeMetricFamily(
            "comporta_broker_up", "1 if the broker answered this process within the last seconds, else 0.", reading.up
        )
        ready = GaugeMetricFamily(
            "comporta_queue_ready", "Messages of the queue that wait for a consumer.", labels=["queue"]
        )
        consumers = GaugeMetricFamily(
            "comporta_queue_consumers", "Consumers of the queue, Comporta's and others.", labels=["queue"]
        )
        for name, count in reading.queues.items():
            ready.add_metric([name], count.ready)
            if count.consumers is not None:
                consumers.add_metric([name], count.consumers)
        yield ready
        yield consumers
