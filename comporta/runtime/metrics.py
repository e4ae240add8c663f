"""What a worker counts and times of its own batches."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from consumers.observer import Observed
from rules.outcomes import Outcome

__all__ = ["WorkMetrics"]

UNKNOWN_SHOP = "?"
_BATCH_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
_LAG_BUCKETS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600)
_EVENTS = (
    "Deliveries with a committed outcome, as the ledger counts them. The shop is ? where the message names none "
    "that has sent this worker anything readable."
)
_BATCH = "Seconds from receiving a batch to its commit, observed once for each domain in it."
_LAG = (
    "Seconds from the broker to the commit, of the first event of each domain in a batch (it has waited longest): "
    "the worker's clock after the commit, less the AMQP property timestamp (the end of that second) if the publisher "
    "sets one, else less the event's time. A clock that is ahead counts as 0. Orders and receipts are observed only "
    "with a timestamp."
)


class WorkMetrics:
    """Told of every batch, by several threads; `registry` has these three metrics and nothing else."""

    def __init__(self) -> None:
        # Else a series beside each would say when that one began, which nobody asks.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        scope = ("shop", "domain", "outcome")
        self._events = Counter("comporta_events_total", _EVENTS, scope, registry=self.registry)
        self._seconds = _histogram("comporta_batch_seconds", _BATCH, _BATCH_BUCKETS, self.registry)
        self._lag = _histogram("comporta_event_lag_seconds", _LAG, _LAG_BUCKETS, self.registry)
        # To look a child up by its labels costs more than to count with it.
        self._counters: dict[tuple[str, str, Outcome], Counter] = {}
        self._timers: dict[str, tuple[Histogram, Histogram]] = {}
        self._shops: set[str] = set()

    def observe(self, batch: Observed) -> None:
        """Counts and times one batch."""
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

    def _counter(self, shop: str, domain: str, outcome: Outcome) -> Counter:
        if outcome is not Outcome.QUARANTINED:
            self._shops.add(shop)
        elif shop not in self._shops:
            # Anybody can publish rubbish under any name, and every new name would stay as a series for ever.
            return self._events.labels(UNKNOWN_SHOP, domain, outcome.value)
        counter = self._counters[shop, domain, outcome] = self._events.labels(shop, domain, outcome.value)
        return counter

    def _timer(self, domain: str) -> tuple[Histogram, Histogram]:
        timer = self._timers.get(domain)
        if timer is None:
            timer = self._timers[domain] = self._seconds.labels(domain), self._lag.labels(domain)
        return timer


def _histogram(name: str, text: str, buckets: tuple[float, ...], registry: CollectorRegistry) -> Histogram:
    return Histogram(name, text, ("domain",), buckets=buckets, registry=registry)
