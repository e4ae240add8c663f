"""Gauge families of the way back after a pause: repairs, held loads, what is yet to be published, reminders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily, Metric

if TYPE_CHECKING:
    from storage.gauges import Reading

__all__ = ["Labels", "gauge", "repair_families"]

Labels = Sequence[str]


def gauge(name: str, text: str, labels: Labels, values: Iterable[tuple[Labels, float]]) -> Metric:
    """Return a gauge of Comporta with these values by their labels."""
    family = GaugeMetricFamily(f"comporta_{name}", text, labels=labels)
    for label_values, value in values:
        family.add_metric(label_values, value)
    return family


def repair_families(reading: Reading) -> Iterator[Metric]:
    """Yield the gauges of repair sheets, full loads, relays and reminders."""
    yield gauge(
        "repairs_open", "Repair sheets with keys that are not made good yet.", (), [((), reading.repair.sheets)]
    )
    yield gauge(
        "repair_stalled_seconds",
        "Seconds since the last key of the slowest open repair sheet was made good; 0 if none is open.",
        (),
        [((), reading.repair.stalled_seconds)],
    )
    yield gauge(
        "loads_held",
        "Full loads that would delete more than FULL_LOAD_MAX_DELETES, and wait for an operator.",
        ("shop", "domain"),
        reading.held_loads.items(),
    )
    yield gauge(
        "relay_age_seconds",
        "Seconds since the oldest change of the change feed, and the oldest quarantined event, that is not published "
        "yet; 0 if none waits.",
        ("kind",),
        (((kind,), seconds) for kind, seconds in reading.relay_ages.items()),
    )
    yield gauge(
        "reminders",
        "Reminders of the last week by channel and state: waiting, also between attempts; sent; failed, given up.",
        ("channel", "state"),
        reading.reminders.items(),
    )
