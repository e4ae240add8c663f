"""Metrics for Prometheus: those of a worker's batches, and gauges read from the database."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from comporta.runtime.gauge_families import gauge, repair_families
from comporta.runtime.health_metrics import HealthMetrics, HealthReading
from comporta.runtime.metric_shops import DEFAULT_METRICS_SHOPS, NamedShops
from comporta.runtime.single_flight import SingleFlight
from consumers.observer import BatchStats
from rules.outcomes import Outcome
from rules.unknown_fields import OTHERS, FieldKey
from storage.errors import StorageError
from storage.gauges import Reading

__all__ = ["Exposition", "RecentLags", "StateMetrics", "WorkMetrics"]
UNKNOWN_SHOP = "?"
# More series than this of unknown fields would load the monitoring; further ones are counted together.
_MOST_FIELDS = 1_000
_BATCH_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
_LAG_BUCKETS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600)
_EVENTS = (
    "Deliveries with a committed outcome, as the ledger counts them. The shop is ? where the message names none "
    "that has sent this worker anything readable, and _other for every shop beyond COMPORTA_METRICS_SHOPS."
)
_FIELDS = (
    "Fields of committed messages that Comporta ignores, by their names as GET /api/unknown-fields lists them. The "
    "field is … for all names beyond the bound."
)
_BATCH = "Seconds from receiving a batch to its commit, observed once for each domain in it."
_LAG = (
    "Seconds from the broker to the commit, of the first event of each domain in a batch (it has waited longest): "
    "the worker's clock after the commit, less the AMQP property timestamp (the end of that second) if the publisher "
    "sets one, else less the event's time. A clock that is ahead counts as 0. Orders and receipts are observed only "
    "with a timestamp."
)
log = structlog.get_logger(__name__)
# Prometheus gives up after 10 s and then has no metric at all, not even the one for a database that is away.
_PATIENCE = 5.0
# Scrapes at the same time share one reading.
_FRESH = 1.0
Labels = Sequence[str]
_METRIC = "comporta_event_lag_seconds"
_WINDOW = 60.0
# Requests within this time share one sample.
_SAMPLE_SECONDS = 2.0
Sums = Mapping[str, tuple[float, float]]
Value = TypeVar("Value")


class WorkMetrics:
    """Metrics of a worker's batches, observed by several threads; `registry` holds these four and nothing else."""

    def __init__(self, most_shops: int = DEFAULT_METRICS_SHOPS) -> None:
        # Otherwise each series gets a second one with its creation time, which no chart or alert uses.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        scope = ("shop", "domain", "outcome")
        self._events = Counter("comporta_events_total", _EVENTS, scope, registry=self.registry)
        names = ("shop", "domain", "field")
        self._fields = Counter("comporta_unknown_fields_total", _FIELDS, names, registry=self.registry)
        self._field_keys: set[FieldKey] = set()
        self._seconds = _histogram("comporta_batch_seconds", _BATCH, _BATCH_BUCKETS, self.registry)
        self._lag = _histogram("comporta_event_lag_seconds", _LAG, _LAG_BUCKETS, self.registry)
        # Finding a series by its labels costs more than counting with it.
        self._counters: dict[tuple[str, str, Outcome], Counter] = {}
        self._timers: dict[str, tuple[Histogram, Histogram]] = {}
        self._shops = NamedShops(most_shops)

    @property
    def lag(self) -> Collector:
        """Return the histogram of the lag alone."""
        return self._lag

    def observe(self, batch: BatchStats) -> None:
        """Count the outcomes of one batch, and observe its duration and lag, both in seconds."""
        domains = set()
        for scope, count in batch.tally.items():
            if count:
                domains.add(scope[1])
                (self._counters.get(scope) or self._counter(*scope)).inc(count)
        for domain in domains:
            seconds, lag = self._timer(domain)
            seconds.observe(batch.seconds)
            if domain in batch.lags:
                lag.observe(batch.lags[domain])
        for (shop, domain, name), use in batch.unknown.items():
            self._field((self._shops.label(shop), domain, name)).inc(use.number)

    def _field(self, key: FieldKey) -> Counter:
        if key not in self._field_keys and len(self._field_keys) >= _MOST_FIELDS:
            return self._fields.labels(UNKNOWN_SHOP, key[1], OTHERS)
        self._field_keys.add(key)
        return self._fields.labels(*key)

    def _counter(self, shop: str, domain: str, outcome: Outcome) -> Counter:
        if outcome is Outcome.QUARANTINED and shop not in self._shops:
            # A publisher can send an unreadable message under any shop's name, and each name would stay as a series.
            return self._events.labels(UNKNOWN_SHOP, domain, outcome.value)
        counter = self._counters[shop, domain, outcome] = self._events.labels(
            self._shops.label(shop), domain, outcome.value
        )
        return counter

    def _timer(self, domain: str) -> tuple[Histogram, Histogram]:
        timer = self._timers.get(domain)
        if timer is None:
            timer = self._timers[domain] = self._seconds.labels(domain), self._lag.labels(domain)
        return timer


def _histogram(name: str, text: str, buckets: tuple[float, ...], registry: CollectorRegistry) -> Histogram:
    return Histogram(name, text, ("domain",), buckets=buckets, registry=registry)


class Exposition:
    """Metrics of a process: of its worker, if any, of the database, if `read` is given, and of other parts."""

    def __init__(
        self,
        work: Collector | None,
        read: Callable[[], Reading] | None,
        *collectors: Collector,
        health: Callable[[], HealthReading] | None = None,
        patience: float = _PATIENCE,
    ) -> None:
        self._collectors = [*([] if work is None else [work]), *collectors]
        self._reading = SingleFlight("gauges", read, patience=patience, fresh=_FRESH) if read is not None else None
        # Apart from the others: the first reading of a large ledger takes longer.
        self._health = SingleFlight("health", health, patience=patience, fresh=_FRESH) if health is not None else None
        self._away = False

    def add(self, collector: Collector) -> None:
        """Add the metrics of another part of the process."""
        self._collectors.append(collector)

    async def render(self, accept: str) -> tuple[str, bytes]:
        """Return content type and body in the format of the `Accept` header; wait for the database 5 s at most."""
        registry = CollectorRegistry()
        for collector in self._collectors:
            registry.register(collector)
        gauges, health = await asyncio.gather(self._read(self._reading), self._read(self._health))
        if self._reading is not None:
            registry.register(StateMetrics(next(iter(gauges), None)))
        for found in health:
            registry.register(HealthMetrics(found))
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):
            # The library fails on a version in the header that is not a number.
            encode, content_type = choose_encoder("")
        return content_type, encode(registry)

    async def _read(self, reading: SingleFlight[Value] | None) -> Sequence[Value]:
        """Return the reading, or nothing without one or without an answer."""
        if reading is None:
            return ()
        try:
            value = await reading.answer()
        except (StorageError, TimeoutError) as error:
            if not self._away:
                log.warning("no gauges: the database is away", error=str(error) or "no answer in time")
            self._away = True
            return ()
        self._away = False
        return (value,)


class StateMetrics(Collector):
    """Metrics of one reading of the database; without a reading only `comporta_database_up`, with the value 0."""

    def __init__(self, reading: Reading | None) -> None:
        self._reading = reading

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of the contract (section 9) that come from the database."""
        yield gauge(
            "database_up", "1 if the database answered this scrape, else 0.", (), [((), self._reading is not None)]
        )
        if self._reading is not None:
            yield from _families(self._reading)
            yield from repair_families(self._reading)


def _families(reading: Reading) -> Iterator[Metric]:
    off = reading.off.items()
    yield gauge(
        "switch_off",
        "1 if any switch over the shop and domain is off, else 0.",
        ("shop", "domain"),
        ((scope, seconds is not None) for scope, seconds in off),
    )
    yield gauge(
        "switch_off_seconds",
        "Seconds since the longest standing of the switches that stop the shop and domain was turned off; 0 if on.",
        ("shop", "domain"),
        ((scope, seconds or 0.0) for scope, seconds in off),
    )
    yield gauge("missed", "Keys whose newest known change was discarded.", ("shop", "domain"), reading.missed.items())
    yield gauge(
        "quarantined", "Refused messages that wait in the quarantine.", ("domain",), _single(reading.quarantined)
    )
    yield gauge("orders", "Orders by state.", ("shop", "state"), reading.orders.items())
    yield gauge(
        "oldest_waiting_order_seconds",
        "Seconds since the oldest order that the ERP does not have yet (waiting or sending) was received; 0 if none.",
        ("shop",),
        _single(reading.oldest_waiting),
    )
    yield gauge(
        "oldest_order_notice_seconds",
        "Seconds since the oldest order notice that is not published yet was written; 0 if none waits.",
        ("shop",),
        _single(reading.oldest_notice),
    )
    yield gauge(
        "erp_failing_seconds",
        "Seconds since the first of the failures since an order of the shop got through to the ERP, with what it "
        "answered last; 0 if orders get through, or none is to be sent.",
        ("shop", "answer"),
        (((shop, answer), seconds) for shop, (seconds, answer) in reading.erp_failing.items()),
    )
    yield gauge(
        "worker_last_seen_seconds",
        "Seconds since the worker was last heard of. One that was killed stays for a day; one that stopped is gone.",
        ("worker",),
        _single(reading.workers),
    )


def _single(values: Mapping[str, float]) -> Iterable[tuple[Labels, float]]:
    return (((label,), value) for label, value in values.items())


class RecentLags:
    """Mean lag by domain over about the last minute, in seconds; domains without events are left out."""

    def __init__(self, metrics: Collector, clock: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._clock = clock
        self._lock = threading.Lock()
        self._samples: deque[tuple[float, Sums]] = deque([(clock(), {})])

    def read(self) -> dict[str, float]:
        """Return the mean lags from the oldest sample within the window to now."""
        now, sums = self._clock(), self._sums()
        with self._lock:
            if now - self._samples[-1][0] >= _SAMPLE_SECONDS:
                self._samples.append((now, sums))
            while len(self._samples) > 1 and now - self._samples[1][0] >= _WINDOW:
                self._samples.popleft()
            before = self._samples[0][1]
        means: dict[str, float] = {}
        for domain, (total, count) in sums.items():
            total_before, count_before = before.get(domain, (0.0, 0.0))
            if count > count_before:
                means[domain] = (total - total_before) / (count - count_before)
        return means

    def _sums(self) -> Sums:
        totals: dict[str, float] = {}
        counts: dict[str, float] = {}
        for metric in self._metrics.collect():
            for sample in metric.samples if metric.name == _METRIC else ():
                if sample.name == f"{_METRIC}_sum":
                    totals[sample.labels["domain"]] = sample.value
                elif sample.name == f"{_METRIC}_count":
                    counts[sample.labels["domain"]] = sample.value
        return {domain: (total, counts.get(domain, 0.0)) for domain, total in totals.items()}
