"""Metrics of the installation's health, read from the database: consumption, ledger, and the feeds' outcomes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, get_args

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rules.outcomes import Outcome
from rules.switches import Scope
from schemas.domains import DOMAIN_NAMES
from schemas.health import Health, HealthState
from storage.views import Balance, FeedRow, Views
from storage.views.feeds import Recent

__all__ = ["HealthMetrics", "HealthReading", "read_health"]

# More series than this would load the monitoring: the busiest feeds are shown.
_MOST_FEEDS = 500


class HealthReading(NamedTuple):
    """The health of the consumption, the ledger's balance, the feeds' recent deliveries, and the feeds."""

    health: Health
    balance: Balance
    recent: Recent
    feeds: Sequence[FeedRow] = ()


def read_health(views: Views) -> HealthReading:
    """Read all of it; raises `StorageError`."""
    return HealthReading(views.health(), views.balance(), views.recent_deliveries(), views.feeds())


class HealthMetrics(Collector):
    """Metrics of one reading."""

    def __init__(self, reading: HealthReading) -> None:
        self._reading = reading

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        yield self._states()
        yield self._differences()
        yield _deliveries(self._reading.recent)
        yield from _feeds(self._reading)

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


def _deliveries(recent: Mapping[Scope, Mapping[str, int]]) -> Metric:
    family = GaugeMetricFamily(
        "comporta_feed_deliveries",
        "Deliveries of the feed in the last 15 minutes by outcome, of the 500 busiest feeds.",
        labels=["shop", "domain", "outcome"],
    )
    for scope in _busiest(recent, recent):
        for outcome in Outcome:
            family.add_metric([*scope, outcome.value], recent[scope].get(outcome.value, 0))
    return family


def _busiest(scopes: Iterable[Scope], recent: Mapping[Scope, Mapping[str, int]]) -> list[Scope]:
    return sorted(scopes, key=lambda scope: (-sum(recent.get(scope, {}).values()), scope))[:_MOST_FEEDS]


def _feeds(reading: HealthReading) -> Iterator[Metric]:
    """Yield the metrics of the feeds: those in trouble first, then the busiest, so many in all."""
    rows = {(row["shop"], row["domain"]): row for row in reading.feeds}
    troubled = [scope for scope, row in rows.items() if row["trouble"]][:_MOST_FEEDS]
    shown = [*troubled, *_busiest(rows.keys() - set(troubled), reading.recent)][:_MOST_FEEDS]
    last, behind, silent = (
        GaugeMetricFamily(f"comporta_feed_{name}", text, labels=["shop", "domain"]) for name, text in _FEEDS.items()
    )
    for scope in shown:
        row = rows[scope]
        last.add_metric(scope, row["last_at"].timestamp())
        if row["behind"] is not None:
            behind.add_metric(scope, row["behind"]["mean"])
        # Without a past to compare with, nothing is claimed either way.
        if row["silence"] is None or row["silence"]["unusual"] is not None:
            silent.add_metric(scope, "silent" in row["trouble"])
    yield from (last, behind, silent)


_FEEDS = {
    "last_event_timestamp_seconds": "Time of the feed's last delivery, in seconds since 1970; of 500 feeds at most.",
    "behind_seconds": (
        "Mean seconds from the events' own times to their commit, of a sample of the last minute that had any; "
        "negative where the ERP's clock is ahead."
    ),
    "silent": "1 if the feed sends nothing although it usually does at this time of the week, else 0.",
}
