"""Metrics of the installation's health, read from the database: consumption, ledger, and the feeds' outcomes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, get_args

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rules.outcomes import Outcome
from schemas.domains import DOMAIN_NAMES
from schemas.health import Health, HealthState
from storage.views import Balance, Views
from storage.views.feeds import Recent

__all__ = ["HealthMetrics", "HealthReading", "read_health"]

# More series than this would load the monitoring: the busiest feeds are shown.
_MOST_FEEDS = 500


class HealthReading(NamedTuple):
    """The health of the consumption, the ledger's balance, and the feeds' recent deliveries."""

    health: Health
    balance: Balance
    recent: Recent


def read_health(views: Views) -> HealthReading:
    """Read all of it; raises `StorageError`."""
    return HealthReading(views.health(), views.balance(), views.recent_deliveries())


class HealthMetrics(Collector):
    """Metrics of one reading."""

    def __init__(self, reading: HealthReading) -> None:
        self._reading = reading

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        yield self._states()
        yield self._differences()
        yield _deliveries(self._reading.recent)

    def _states(self) -> Metric:
        family = GaugeMetricFamily(
            "comporta_consumption",
            "1 for the present state of the domain's consumption, 0 for the others: ok, stopped (nothing takes its "
            "messages), delayed (messages wait for a minute and none or only old ones are committed), unknown.",
            labels=["domain", "state"],
        )
        for name, domain in self._reading.health.domains.items():
            for state in get_args(HealthState):
                family.add_metric([name, state], domain.state == state)
        return family

    def _differences(self) -> Metric:
        family = GaugeMetricFamily(
            "comporta_ledger_difference",
            "Deliveries received less those with an outcome, since the ledger began: anything but 0 is a fault.",
            labels=["domain"],
        )
        balances = dict.fromkeys(DOMAIN_NAMES, 0) | {
            name: terms.difference for name, terms in self._reading.balance.domains.items()
        }
        for name, difference in balances.items():
            family.add_metric([name], difference)
        return family


def _deliveries(recent: Mapping[tuple[str, str], Mapping[str, int]]) -> Metric:
    family = GaugeMetricFamily(
        "comporta_feed_deliveries",
        "Deliveries of the feed in the last 15 minutes by outcome, of the 500 busiest feeds.",
        labels=["shop", "domain", "outcome"],
    )
    busiest = sorted(recent, key=lambda scope: (-sum(recent[scope].values()), scope))[:_MOST_FEEDS]
    for scope in busiest:
        for outcome in Outcome:
            family.add_metric([*scope, outcome.value], recent[scope].get(outcome.value, 0))
    return family
