"""How long events take from the broker to their commit just now, as this process's own worker has measured."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

from prometheus_client.registry import Collector

__all__ = ["RecentLags"]

_METRIC = "comporta_event_lag_seconds"
_WINDOW = 60.0
# Many who look at once cost one sample.
_APART = 2.0

Sums = Mapping[str, tuple[float, float]]


class RecentLags:
    """The mean of about the last minute by domain, in seconds; a domain that nothing came for is left out."""

    def __init__(self, metrics: Collector, clock: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._clock = clock
        self._lock = threading.Lock()
        self._samples: deque[tuple[float, Sums]] = deque([(clock(), {})])

    def read(self) -> dict[str, float]:
        """The means, from the oldest sample within the window to now."""
        now, sums = self._clock(), self._sums()
        with self._lock:
            if now - self._samples[-1][0] >= _APART:
                self._samples.append((now, sums))
            while len(self._samples) > 1 and now - self._samples[1][0] >= _WINDOW:
                self._samples.popleft()
            before = self._samples[0][1]
        found: dict[str, float] = {}
        for domain, (total, count) in sums.items():
            total_before, count_before = before.get(domain, (0.0, 0.0))
            if count > count_before:
                found[domain] = (total - total_before) / (count - count_before)
        return found

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
