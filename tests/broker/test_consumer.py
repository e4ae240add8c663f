"""What is published is taken in batches, applied, counted and only then acknowledged: one suite for both brokers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from schemas.domains import DOMAINS
from storage.views import MissedFilter
from tests.support.event_samples import SAMPLES, sample_event
from tests.support.pipeline import Pipeline, stock_event


def test_every_domain_is_applied_from_its_own_queue(pipeline: Pipeline) -> None:
    for domain in DOMAINS:
        pipeline.publish(sample_event(domain), key=f"main.{domain}")
    with pipeline.stepped_worker() as worker:
        worker.drain(len(DOMAINS))
    assert pipeline.database.views.totals() == {domain: {"applied": 1} for domain in DOMAINS}
    for domain, (_, data) in SAMPLES.items():
        [row] = pipeline.rows(domain)
        assert (row["shop"], row["version"], row["deleted"]) == ("main", 18446, False)
        codes = {name: value for name, value in data.items() if name.endswith("code")}
        assert {name: row[name] for name in codes} == codes
    assert pipeline.queue_depths() == {}


def test_a_deletion_leaves_a_tombstone(pipeline: Pipeline) -> None:
    pipeline.publish(stock_event(1), sample_event("stock", action="deleted"))
    with pipeline.stepped_worker() as worker:
        worker.drain(2)
    [row] = pipeline.rows()
    assert (row["product_code"], row["deleted"], row["on_hand"], row["unit"]) == ("P1", True, None, None)


def test_a_worker_leaves_the_queues_of_other_domains_alone(pipeline: Pipeline) -> None:
    pipeline.publish(stock_event(1))
    pipeline.publish(sample_event("prices"), key="main.prices")
    with pipeline.stepped_worker("stock") as worker:
        worker.drain(1)
        assert worker.step() == 0
    assert pipeline.queue_depths() == {"comporta.prices": 1}


def test_shops_do_not_touch_each_other(pipeline: Pipeline) -> None:
    pipeline.publish(stock_event(5), key="a.stock")
    pipeline.publish(stock_event(3), key="b.stock")
    with pipeline.stepped_worker() as worker:
        worker.drain(2)
    assert {(row["shop"], row["version"]) for row in pipeline.rows()} == {("a", 5), ("b", 3)}


def test_repeated_and_late_deliveries_are_superseded(pipeline: Pipeline) -> None:
    pipeline.publish(stock_event(2), stock_event(3), stock_event(3), stock_event(1))
    with pipeline.stepped_worker(batch_size=1) as worker:
        worker.drain(4)
    assert [row["version"] for row in pipeline.rows()] == [3]
    assert pipeline.outcomes() == {"applied": 2, "superseded": 2}


def test_a_batch_has_no_more_than_its_size(pipeline: Pipeline) -> None:
    pipeline.publish(*(stock_event(1, f"P{number}") for number in range(25)))
    with pipeline.stepped_worker(batch_size=10) as worker:
        assert [worker.step(buffered=number) for number in (25, 15, 5)] == [10, 10, 5]
    assert len(pipeline.product_codes()) == 25
    assert pipeline.queue_depths() == {}


def test_what_has_come_is_not_kept_waiting_for_a_full_batch(pipeline: Pipeline) -> None:
    pipeline.publish(*(stock_event(1, f"P{number}") for number in range(3)))
    with pipeline.stepped_worker(batch_size=1000) as worker:
        assert worker.step(buffered=3) == 3
    assert pipeline.outcomes() == {"applied": 3}


def test_a_batch_is_cut_by_its_age_although_more_is_waiting(pipeline: Pipeline) -> None:
    # More than is read at once, whatever the broker.
    filling = "x" * 20_000
    with pipeline.stepped_worker(batch_size=1000, batch_ms=0) as worker:
        pipeline.publish(*(stock_event(1, f"P{number}", filling=filling) for number in range(40)))
        sizes = worker.drain(40)
    assert len(sizes) > 1
    assert pipeline.outcomes() == {"applied": 40}
    assert pipeline.queue_depths() == {}


def test_what_is_settled_makes_room_for_the_next(pipeline: Pipeline) -> None:
    pipeline.publish(*(stock_event(1, f"P{number}") for number in range(12)))
    with pipeline.stepped_worker("stock", batch_size=4, prefetch=4) as worker:
        assert worker.drain(12) >= [4]
    assert pipeline.outcomes() == {"applied": 12}
    assert pipeline.queue_depths() == {}


def test_no_more_than_the_prefetch_is_held(pipeline: Pipeline) -> None:
    pipeline.publish(*(stock_event(1, f"P{number}") for number in range(9)))
    with pipeline.stepped_worker("stock", batch_size=100, prefetch=4) as worker:
        assert worker.step(buffered=4) == 4


@pytest.mark.parametrize("scope", [{}, {"shop": "main"}, {"domains": ["stock"]}])
def test_while_off_everything_is_acknowledged_and_discarded(pipeline: Pipeline, scope: dict[str, object]) -> None:
    pipeline.change("pause", **scope)
    pipeline.publish(stock_event(1), stock_event(2), stock_event(1, "P2"))
    with pipeline.stepped_worker() as worker:
        worker.drain(3)
    assert pipeline.rows() == []
    assert pipeline.outcomes() == {"discarded": 3}
    missed = {(row["key"]["product_code"], row["version"]) for row in pipeline.database.views.rows(MissedFilter())}
    assert missed == {("P1", 2), ("P2", 1)}
    assert pipeline.queue_depths() == {}


def test_what_was_missed_is_good_again_once_it_comes_anew(pipeline: Pipeline) -> None:
    pipeline.change("pause")
    pipeline.publish(stock_event(1))
    with pipeline.stepped_worker() as worker:
        worker.drain(1)
        pipeline.change("resume")
        pipeline.publish(stock_event(1))
        worker.drain(1)
    assert pipeline.database.views.rows(MissedFilter()) == []
    assert pipeline.outcomes() == {"discarded": 1, "applied": 1}


def test_a_bad_message_is_quarantined_and_its_neighbours_are_applied(pipeline: Pipeline) -> None:
    bad = stock_event(1, "bad", on_hand=12.5)
    pipeline.publish(stock_event(1, "before"), bad, stock_event(1, "after"))
    with pipeline.stepped_worker() as worker:
        assert worker.step(buffered=3) == 3
    assert pipeline.product_codes() == {"before", "after"}
    [row] = pipeline.quarantined()
    assert (row["shop"], row["domain"], row["reason"], row["pointer"]) == (
        "main",
        "stock",
        "number_not_string",
        "/data/on_hand",
    )
    assert (row["routing_key"], row["content_type"], row["worker"]) == (
        "main.stock",
        "application/cloudevents+json",
        "w1",
    )
    assert bytes(row["body"]) == bad
    assert pipeline.outcomes() == {"applied": 2, "quarantined": 1}
    assert pipeline.queue_depths() == {}


@pytest.mark.parametrize("prefix", ["ce-", "ce_", "cloudEvents_", "cloudEvents:", "cloudevents:"])
def test_an_event_in_binary_mode_is_the_same_event(pipeline: Pipeline, prefix: str) -> None:
    attributes = {"specversion": "1.0", "id": "b1", "source": "/erp", "type": "erp.stock.changed.v1", "sequence": 7}
    data = json.loads(stock_event(7))["data"]
    headers = {prefix + name: value for name, value in attributes.items()} | {"other": [1]}
    pipeline.publish(json.dumps(data).encode(), headers=headers, content_type="application/json")
    with pipeline.stepped_worker("stock") as worker:
        worker.drain(1)
    [row] = pipeline.rows()
    assert (row["version"], row["event_id"], Decimal(row["on_hand"])) == (7, "b1", 7)


def test_a_time_of_amqp_is_the_version_of_an_event_in_binary_mode(rabbitmq_pipeline: Pipeline) -> None:
    moment = datetime(2026, 11, 23, 7, 22, 51, tzinfo=UTC)
    attributes = {"specversion": "1.0", "id": "b1", "source": "/erp", "type": "erp.stock.changed.v1", "time": moment}
    data = json.loads(stock_event(7))["data"]
    headers = {f"cloudEvents:{name}": value for name, value in attributes.items()}
    rabbitmq_pipeline.publish(json.dumps(data).encode(), headers=headers, content_type="application/json")
    with rabbitmq_pipeline.stepped_worker("stock") as worker:
        worker.drain(1)
    [row] = rabbitmq_pipeline.rows()
    assert row["version"] == int(moment.timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("headers", "reason", "pointer"),
    [
        ({"ce-type": "erp.stock.deleted.v2"}, "unknown_version", "/type"),
        ({"ce-sequence": "x"}, "sequence_format", "/sequence"),
        ({"ce-id": ""}, "too_short", "/id"),
        ({"ce-source": [1]}, "binary_attribute", "/source"),
        ({"ce-specversion": "0.3"}, "wrong_value", "/specversion"),
    ],
)
def test_a_wrong_attribute_of_binary_mode_is_quarantined_by_name(
    pipeline: Pipeline, headers: dict[str, object], reason: str, pointer: str
) -> None:
    attributes = {"specversion": "1.0", "id": "b1", "source": "/erp", "type": "erp.stock.changed.v1", "sequence": "7"}
    sent = {f"ce-{name}": value for name, value in attributes.items()} | headers
    pipeline.publish(b"{}", headers=sent, content_type="application/json")
    with pipeline.stepped_worker("stock") as worker:
        worker.drain(1)
    [row] = pipeline.quarantined()
    assert (row["reason"], row["pointer"]) == (reason, pointer)
