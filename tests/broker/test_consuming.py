"""What is published is taken in batches, applied, counted and only then acknowledged: one suite for both brokers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from schemas.domains import DOMAINS
from tests.support.event_samples import SAMPLES, sample_event
from tests.support.pipeline import Pipeline, stock_event


def test_every_domain_is_applied_from_its_own_queue(line: Pipeline) -> None:
    for domain in DOMAINS:
        line.publish(sample_event(domain), key=f"main.{domain}")
    with line.hand() as hand:
        hand.drain(len(DOMAINS))
    assert line.database.views.totals() == {domain: {"applied": 1} for domain in DOMAINS}
    for domain, (_, data) in SAMPLES.items():
        [row] = line.rows(domain)
        assert (row["shop"], row["version"], row["deleted"]) == ("main", 18446, False)
        codes = {name: value for name, value in data.items() if name.endswith("code")}
        assert {name: row[name] for name in codes} == codes
    assert line.waiting() == {}


def test_a_deletion_leaves_a_tombstone(line: Pipeline) -> None:
    line.publish(stock_event(1), sample_event("stock", action="deleted"))
    with line.hand() as hand:
        hand.drain(2)
    [row] = line.rows()
    assert (row["product_code"], row["deleted"], row["on_hand"], row["unit"]) == ("P1", True, None, None)


def test_a_worker_leaves_the_queues_of_other_domains_alone(line: Pipeline) -> None:
    line.publish(stock_event(1))
    line.publish(sample_event("prices"), key="main.prices")
    with line.hand("stock") as hand:
        hand.drain(1)
        assert hand.step() == 0
    assert line.waiting() == {"comporta.prices": 1}


def test_shops_do_not_touch_each_other(line: Pipeline) -> None:
    line.publish(stock_event(5), key="a.stock")
    line.publish(stock_event(3), key="b.stock")
    with line.hand() as hand:
        hand.drain(2)
    assert {(row["shop"], row["version"]) for row in line.rows()} == {("a", 5), ("b", 3)}


def test_repeated_and_late_deliveries_are_superseded(line: Pipeline) -> None:
    line.publish(stock_event(2), stock_event(3), stock_event(3), stock_event(1))
    with line.hand(batch_size=1) as hand:
        hand.drain(4)
    assert [row["version"] for row in line.rows()] == [3]
    assert line.outcomes() == {"applied": 2, "superseded": 2}


def test_a_batch_has_no_more_than_its_size(line: Pipeline) -> None:
    line.publish(*(stock_event(1, f"P{number}") for number in range(25)))
    with line.hand(batch_size=10) as hand:
        assert [hand.step(holding=number) for number in (25, 15, 5)] == [10, 10, 5]
    assert len(line.codes()) == 25
    assert line.waiting() == {}


def test_what_has_come_is_not_kept_waiting_for_a_full_batch(line: Pipeline) -> None:
    line.publish(*(stock_event(1, f"P{number}") for number in range(3)))
    with line.hand(batch_size=1000) as hand:
        assert hand.step(holding=3) == 3
    assert line.outcomes() == {"applied": 3}


def test_a_batch_is_cut_by_its_age_although_more_is_waiting(line: Pipeline) -> None:
    # More than is read at once, whatever the broker.
    filling = "x" * 20_000
    with line.hand(batch_size=1000, batch_ms=0) as hand:
        line.publish(*(stock_event(1, f"P{number}", filling=filling) for number in range(40)))
        sizes = hand.drain(40)
    assert len(sizes) > 1
    assert line.outcomes() == {"applied": 40}
    assert line.waiting() == {}


def test_what_is_settled_makes_room_for_the_next(line: Pipeline) -> None:
    line.publish(*(stock_event(1, f"P{number}") for number in range(12)))
    with line.hand("stock", batch_size=4, prefetch=4) as hand:
        assert hand.drain(12) >= [4]
    assert line.outcomes() == {"applied": 12}
    assert line.waiting() == {}


def test_no_more_than_the_prefetch_is_held(line: Pipeline) -> None:
    line.publish(*(stock_event(1, f"P{number}") for number in range(9)))
    with line.hand("stock", batch_size=100, prefetch=4) as hand:
        assert hand.step(holding=4) == 4


@pytest.mark.parametrize("scope", [{}, {"shop": "main"}, {"domains": ["stock"]}])
def test_while_off_everything_is_acknowledged_and_discarded(line: Pipeline, scope: dict[str, object]) -> None:
    line.change("pause", **scope)
    line.publish(stock_event(1), stock_event(2), stock_event(1, "P2"))
    with line.hand() as hand:
        hand.drain(3)
    assert line.rows() == []
    assert line.outcomes() == {"discarded": 3}
    missed = {(row["key"]["product_code"], row["version"]) for row in line.database.views.missed()}
    assert missed == {("P1", 2), ("P2", 1)}
    assert line.waiting() == {}


def test_what_was_missed_is_good_again_once_it_comes_anew(line: Pipeline) -> None:
    line.change("pause")
    line.publish(stock_event(1))
    with line.hand() as hand:
        hand.drain(1)
        line.change("resume")
        line.publish(stock_event(1))
        hand.drain(1)
    assert line.database.views.missed() == []
    assert line.outcomes() == {"discarded": 1, "applied": 1}


def test_a_bad_message_is_quarantined_and_its_neighbours_are_applied(line: Pipeline) -> None:
    bad = stock_event(1, "bad", on_hand=12.5)
    line.publish(stock_event(1, "before"), bad, stock_event(1, "after"))
    with line.hand() as hand:
        assert hand.step(holding=3) == 3
    assert line.codes() == {"before", "after"}
    [row] = line.quarantined()
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
    assert line.outcomes() == {"applied": 2, "quarantined": 1}
    assert line.waiting() == {}


@pytest.mark.parametrize("prefix", ["ce-", "ce_", "cloudEvents_", "cloudEvents:", "cloudevents:"])
def test_an_event_in_binary_mode_is_the_same_event(line: Pipeline, prefix: str) -> None:
    attributes = {"specversion": "1.0", "id": "b1", "source": "/erp", "type": "erp.stock.changed.v1", "sequence": 7}
    data = json.loads(stock_event(7))["data"]
    headers = {prefix + name: value for name, value in attributes.items()} | {"other": [1]}
    line.publish(json.dumps(data).encode(), headers=headers, content_type="application/json")
    with line.hand("stock") as hand:
        hand.drain(1)
    [row] = line.rows()
    assert (row["version"], row["event_id"], Decimal(row["on_hand"])) == (7, "b1", 7)


def test_a_time_of_amqp_is_the_version_of_an_event_in_binary_mode(rabbit_line: Pipeline) -> None:
    moment = datetime(2026, 11, 23, 7, 22, 51, tzinfo=UTC)
    attributes = {"specversion": "1.0", "id": "b1", "source": "/erp", "type": "erp.stock.changed.v1", "time": moment}
    data = json.loads(stock_event(7))["data"]
    headers = {f"cloudEvents:{name}": value for name, value in attributes.items()}
    rabbit_line.publish(json.dumps(data).encode(), headers=headers, content_type="application/json")
    with rabbit_line.hand("stock") as hand:
        hand.drain(1)
    [row] = rabbit_line.rows()
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
    line: Pipeline, headers: dict[str, object], reason: str, pointer: str
) -> None:
    attributes = {"specversion": "1.0", "id": "b1", "source": "/erp", "type": "erp.stock.changed.v1", "sequence": "7"}
    sent = {f"ce-{name}": value for name, value in attributes.items()} | headers
    line.publish(b"{}", headers=sent, content_type="application/json")
    with line.hand("stock") as hand:
        hand.drain(1)
    [row] = line.quarantined()
    assert (row["reason"], row["pointer"]) == (reason, pointer)
