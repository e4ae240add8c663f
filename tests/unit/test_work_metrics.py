"""A worker's own metrics: counted once a batch, with labels that strangers can't multiply."""

from __future__ import annotations

from collections import Counter

from prometheus_client import generate_latest

from comporta.runtime.metric_shops import with_most_shops
from comporta.runtime.metrics import WorkMetrics
from consumers.observer import BatchStats
from rules.outcomes import Outcome, Tally
from rules.unknown_fields import OTHERS, FieldUse
from storage.gauges import Reading
from storage.repair_progress import RepairState

LAGS = {"stock": 70.0}


def tally(**of_main: int) -> Tally:
    """Outcomes of stock events of the shop main."""
    return Counter({("main", "stock", Outcome(outcome)): count for outcome, count in of_main.items()})


def value(metrics: WorkMetrics, name: str, **labels: str) -> float | None:
    """One sample; None if it is not exposed."""
    return metrics.registry.get_sample_value(name, labels)


def test_outcomes_are_counted_and_those_that_did_not_happen_make_no_series() -> None:
    metrics = WorkMetrics()
    for _ in range(2):
        metrics.observe(BatchStats(tally(applied=3, superseded=0), 0.02, LAGS))
    main = {"shop": "main", "domain": "stock"}
    assert value(metrics, "comporta_events_total", **main, outcome="applied") == 6
    assert value(metrics, "comporta_events_total", **main, outcome="superseded") is None


def test_a_batch_is_timed_once_a_domain_however_many_events_it_has() -> None:
    metrics = WorkMetrics()
    both = tally(applied=400) + Counter({("main", "prices", Outcome.APPLIED): 100})
    metrics.observe(BatchStats(both, 0.02, LAGS))
    for domain in ("stock", "prices"):
        assert value(metrics, "comporta_batch_seconds_count", domain=domain) == 1
        assert value(metrics, "comporta_batch_seconds_sum", domain=domain) == 0.02
    assert value(metrics, "comporta_event_lag_seconds_bucket", domain="stock", le="60.0") == 0
    assert value(metrics, "comporta_event_lag_seconds_bucket", domain="stock", le="120.0") == 1
    assert value(metrics, "comporta_event_lag_seconds_count", domain="prices") == 0


def test_rubbish_under_a_thousand_names_makes_one_series() -> None:
    metrics = WorkMetrics()
    metrics.observe(BatchStats(tally(applied=1), 0.01, {}))
    names = [f"s{number}" for number in range(1000)]
    metrics.observe(BatchStats(Counter({(name, "stock", Outcome.QUARANTINED): 1 for name in names}), 0.01, {}))
    metrics.observe(BatchStats(tally(quarantined=1), 0.01, {}))
    refused = {"domain": "stock", "outcome": "quarantined"}
    assert value(metrics, "comporta_events_total", shop="?", **refused) == 1000
    assert value(metrics, "comporta_events_total", shop="main", **refused) == 1
    assert generate_latest(metrics.registry).count(b"comporta_events_total{") == 3


def test_shops_beyond_the_bound_share_one_series() -> None:
    metrics = WorkMetrics(most_shops=2)
    for _ in range(2):
        names = ["a", "b", "c", "d"]
        metrics.observe(BatchStats(Counter({(name, "stock", Outcome.APPLIED): 1 for name in names}), 0.01, {}))
    applied = {"domain": "stock", "outcome": "applied"}
    assert value(metrics, "comporta_events_total", shop="a", **applied) == 2
    assert value(metrics, "comporta_events_total", shop="_other", **applied) == 4
    assert generate_latest(metrics.registry).count(b"comporta_events_total{") == 3


def test_gauges_of_many_shops_are_summed_and_the_longest_time_stays() -> None:
    shops = ["a", "b", "c"]
    reading = Reading(
        off={(shop, "stock"): seconds for shop, seconds in zip(shops, (None, 5.0, 9.0), strict=True)},
        missed={(shop, "stock"): 2 for shop in shops},
        quarantined={},
        orders={(shop, "waiting"): 1 for shop in shops},
        oldest_waiting={"a": 1.0, "b": 3.0, "c": 2.0},
        oldest_notice={"a": 4.0, "b": 0.0, "c": 6.0},
        erp_failing={"a": (0.0, ""), "b": (4.0, "HTTP 401"), "c": (0.0, "")},
        workers={},
        repair=RepairState(0, 0, 0.0),
        held_loads={(shop, "stock"): 1 for shop in shops},
        relay_ages={},
        reminders={},
    )
    few = with_most_shops(reading, 1)
    assert few.off == {("a", "stock"): None, ("_other", "stock"): 9.0}
    assert few.missed == {("a", "stock"): 2, ("_other", "stock"): 4}
    assert few.orders == {("a", "waiting"): 1, ("_other", "waiting"): 2}
    assert few.oldest_waiting == {"a": 1.0, "_other": 3.0}
    assert few.oldest_notice == {"a": 4.0, "_other": 6.0}
    assert few.held_loads == {("a", "stock"): 1, ("_other", "stock"): 2}
    assert few.erp_failing == {"a": (0.0, ""), "_other": (4.0, "HTTP 401")}
    assert with_most_shops(reading, 3) is reading


def test_workers_in_one_process_share_nothing() -> None:
    first, second = WorkMetrics(), WorkMetrics()
    first.observe(BatchStats(tally(applied=1), 0.01, {}))
    assert generate_latest(second.registry).count(b"comporta_events_total{") == 0


def test_unknown_fields_are_counted_by_name_within_a_bound() -> None:
    metrics = WorkMetrics()
    for _ in range(2):
        metrics.observe(BatchStats(tally(applied=1), 0.01, {}, {("main", "stock", "colour"): FieldUse(3, None)}))
    many = {("main", "stock", f"f{number}"): FieldUse(1, None) for number in range(1500)}
    metrics.observe(BatchStats(tally(applied=1), 0.01, {}, many))
    name = "comporta_unknown_fields_total"
    assert value(metrics, name, shop="main", domain="stock", field="colour") == 6
    assert value(metrics, name, shop="?", domain="stock", field=OTHERS) == 501
    assert generate_latest(metrics.registry).count(b"comporta_unknown_fields_total{") == 1001
