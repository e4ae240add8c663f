"""Workers on partitions: each takes its share, they converge and obey every pause, and do without the plugin."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, MutableMapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from broker.partitions import inspect_partitions
from broker.routes import MISSING_PLUGIN
from schemas.partitions import KEY_HEADER, PLUGIN, PartitionBy, parse_partitions
from storage.views import MissedFilter
from tests.support.partition_harness import FOUR, FOUR_BY_KEY, STOCK, route, spread, worker
from tests.support.pipeline import Backends, Pipeline, open_pipeline, stock_event
from tests.support.running_workers import running_workers
from tests.support.services.rabbitmq import RabbitMQ
from tests.support.wait import wait_until


def test_without_the_header_all_events_have_one_partition_and_are_applied(own_pipeline: Pipeline) -> None:
    route(own_pipeline.url, FOUR_BY_KEY)
    for number in range(20):
        own_pipeline.publish(stock_event(1, f"P{number}"), key=f"shop{number}.stock")
    assert sorted(spread(own_pipeline)) == [0, 0, 0, 0, 20]
    with running_workers(worker(own_pipeline, FOUR_BY_KEY)):
        wait_until(lambda: len(own_pipeline.rows()) == 20, what="all to be applied")


def test_a_worker_can_take_some_partitions_and_another_the_rest(own_pipeline: Pipeline) -> None:
    route(own_pipeline.url, FOUR)
    for shop in range(40):
        own_pipeline.publish(stock_event(1), key=f"shop{shop}.stock")
    _, first, second, third, fourth = spread(own_pipeline)
    low, high = (replace(FOUR, taken=frozenset(numbers)) for numbers in ({1, 2}, {3, 4}))
    with running_workers(worker(own_pipeline, low)):
        wait_until(lambda: len(own_pipeline.rows()) == first + second, what="the first two to be taken")
        assert spread(own_pipeline) == [0, 0, 0, third, fourth]
        with running_workers(worker(own_pipeline, high)):
            wait_until(lambda: len(own_pipeline.rows()) == 40, what="the others to be taken")


@pytest.mark.parametrize("by", ["shop", "key"])
def test_two_workers_on_four_partitions_converge_and_obey_every_pause(
    broker_url: str, database_url: str, by: PartitionBy
) -> None:
    partitions = parse_partitions("stock=4", by)
    shops, codes = ["north", "south", "east", "west"], [f"P{number}" for number in range(12)]
    sent = [(shop, code, version) for shop in shops for code in codes for version in range(1, 13)]
    # Out of order, and each key's events with headers of any value: what a key's order was worth is gone.
    chance = random.Random(7)
    chance.shuffle(sent)
    with open_pipeline(Backends(broker_url, database_url)) as pipeline, ExitStack() as stack:
        route(pipeline.url, partitions)
        workers = [worker(pipeline, partitions, name=name) for name in ("w1", "w2")]
        stack.enter_context(running_workers(*workers))
        for turn, start in enumerate(range(0, len(sent), 96)):
            shop = shops[turn % 4]
            for each_shop, code, version in sent[start : start + 48]:
                headers = {KEY_HEADER: str(chance.random())}
                pipeline.publish(stock_event(version, code), key=f"{each_shop}.stock", headers=headers)
            assert pipeline.change("pause", shop=shop, new_shop=True).result == "off"
            behind = applied(pipeline, shop)
            for each_shop, code, version in sent[start + 48 : start + 96]:
                headers = {KEY_HEADER: str(chance.random())}
                pipeline.publish(stock_event(version, code), key=f"{each_shop}.stock", headers=headers)
            wait_until(lambda n=start + 96: decided(pipeline) == min(n, len(sent)), what="this turn to be decided")
            assert applied(pipeline, shop) == behind
            assert pipeline.change("resume", shop=shop).result == "on"
        totals = pipeline.outcomes()
        balance = pipeline.database.views.balance().domains["stock"]
        assert (balance.received, balance.difference) == (len(sent), 0)
        missed = {(row["shop"], row["key"]["product_code"]): row["version"] for row in all_missed(pipeline)}
        rows = {(row["shop"], row["product_code"]): row["version"] for row in pipeline.rows()}
        # Every key is at its newest version, or exactly missed.
        for key in ((shop, code) for shop in shops for code in codes):
            assert max(rows.get(key, 0), missed.get(key, 0)) == 12
            assert key not in missed or rows.get(key, 0) < missed[key]
        assert totals.keys() == {"applied", "superseded", "discarded"}


def all_missed(pipeline: Pipeline) -> list[dict[str, Any]]:
    return pipeline.database.views.rows(MissedFilter(), 1000)


def decided(pipeline: Pipeline) -> int:
    return sum(pipeline.outcomes().values())


def applied(pipeline: Pipeline, shop: str) -> list[tuple[str, int]]:
    return sorted((row["product_code"], row["version"]) for row in pipeline.rows() if row["shop"] == shop)


@pytest.fixture(scope="module")
def without_plugin() -> Iterator[RabbitMQ]:
    """A RabbitMQ that has only what it has by default."""
    broker = RabbitMQ()
    broker.disable_plugins()
    broker.open()
    yield broker
    broker.close()


def test_without_the_plugin_the_one_queue_has_the_events_and_the_log_says_what_to_do(
    without_plugin: RabbitMQ, sqlite_url: str, logs: list[MutableMapping[str, Any]]
) -> None:
    with open_pipeline(Backends(without_plugin.new_vhost(), sqlite_url)) as pipeline:
        assert inspect_partitions(pipeline.url, FOUR).plugin is False
        with running_workers(worker(pipeline, FOUR)):
            wait_until(lambda: pipeline.queue_depth(STOCK) == 0, what="the queue to be there")
            pipeline.publish(stock_event(1))
            wait_until(lambda: len(pipeline.rows()) == 1, what="the event to be applied")
        said = [entry for entry in logs if "not spread" in entry["event"]]
        assert [(entry["queue"], entry["error"]) for entry in said] == [("comporta.stock.by-shop", MISSING_PLUGIN)]
        assert f"rabbitmq-plugins enable {PLUGIN}" in MISSING_PLUGIN
        assert Counter(entry["event"] for entry in logs)["broker away"] == 0
