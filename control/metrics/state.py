"""What the database says, as metrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from storage.gauges import Reading

__all__ = ["StateMetrics"]

Labels = Sequence[str]


class StateMetrics(Collector):
    """One reading, or that there was none: then `comporta_database_up` is 0 and stands alone."""

    def __init__(self, reading: Reading | None) -> None:
        self._reading = reading

    def collect(self) -> Iterator[Metric]:
        """The metrics of the contract (section 9) that come from the database."""
        yield _gauge(
            "database_up", "1 if the database answered this scrape, else 0.", (), [((), self._reading is not None)]
        )
        if self._reading is not None:
            yield from _families(self._reading)


def _families(reading: Reading) -> Iterator[Metric]:
    off = reading.off.items()
    yield _gauge(
        "switch_off",
        "1 if any switch over the shop and domain is off, else 0.",
        ("shop", "domain"),
        ((scope, seconds is not None) for scope, seconds in off),
    )
    yield _gauge(
        "switch_off_seconds",
        "Seconds since the longest standing of the switches that stop the shop and domain was turned off; 0 if on.",
        ("shop", "domain"),
        ((scope, seconds or 0.0) for scope, seconds in off),
    )
    yield _gauge("missed", "Keys whose newest known change was discarded.", ("shop", "domain"), reading.missed.items())
    yield _gauge(
        "quarantined", "Refused messages that wait in the quarantine.", ("domain",), _single(reading.quarantined)
    )
    yield _gauge("orders", "Orders by state.", ("shop", "state"), reading.orders.items())
    yield _gauge(
        "oldest_waiting_order_seconds",
        "Seconds since the oldest order that the ERP does not have yet (waiting or sending) was received; 0 if none.",
        ("shop",),
        _single(reading.oldest_waiting),
    )
    yield _gauge(
        "worker_last_seen_seconds",
        "Seconds since the worker was last heard of. One that was killed stays for a day; one that stopped is gone.",
        ("worker",),
        _single(reading.workers),
    )


def _single(values: Mapping[str, float]) -> Iterable[tuple[Labels, float]]:
    return (((label,), value) for label, value in values.items())


def _gauge(name: str, text: str, labels: Labels, values: Iterable[tuple[Labels, float]]) -> Metric:
    family = GaugeMetricFamily(f"comporta_{name}", text, labels=labels)
    for of, value in values:
        family.add_metric(of, value)
    return family
