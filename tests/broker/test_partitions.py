"""Partitions on RabbitMQ: events are spread, none is lost on the way there and back, and order never matters."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator, MutableMapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import pika
import pytest

from broker.connection import open_connection
from broker.declare import declare
from broker.partitions import inspect_partitions
from broker.queues import QueueProbe
from broker.routes import MISSING_PLUGIN
from consumers.left_over import LeftOver
from consumers.queue_watch import QueueWatch
from consumers.source import BatchLimits
from consumers.worker import Worker, events_worker
from producers.events import outgoing_text
from producers.publisher import Publisher
from schemas.partitions import KEY_HEADER, PLUGIN, PartitionBy, Partitions, parse_partitions, partition_queue
from schemas.topology import EVENTS
from storage.event_store import EventStore
from storage.views import MissedFilter
from tests.support.pipeline import CLOUDEVENT, Backends, Pipeline, open_pipeline, stock_event
from tests.support.services.rabbitmq import Broker, RabbitMQ
from tests.support.wait import wait_until

FOUR, TWO = parse_partitions("stock=4"), parse_partitions("stock=2")
FOUR_BY_KEY = parse_partitions("stock=4", "key")
STOCK = "comporta.stock"


@pytest.fixture
def own_pipeline(broker_url: str, sqlite_url: str) -> Iterator[Pipeline]:
    """A pipeline on a virtual host of its own."""
    with open_pipeline(Backends(broker_url, sqlite_url)) as pipeline:
        yield pipeline


def route(url: str, partitions: Partitions, *former: str) -> None:
    with open_connection(url, name="test") as connection:
        assert declare(connection, partitions, former) == {}


def spread(pipeline: Pipeline) -> list[int]:
    """Count the messages in the one queue of stock, and in each of four partitions that is there."""
    names = [STOCK, *(partition_queue("stock", number) for number in range(1, 5))]
    depths = []
    with open_connection(pipeline.url, name="test") as connection:
        for name in names:
            with connection.channel() as channel:
                depths.append(int(channel.queue_declare(name, passive=True).message_count))
    return depths


def worker(pipeline: Pipeline, partitions: Partitions, *left: str, name: str = "w1") -> Worker:
    store = EventStore(pipeline.database.fence, pipeline.switchboard, name)
    limits = BatchLimits(50, 20, 100)
    return events_worker(
        pipeline.url, ["stock"], limits, store, pipeline.stop, partitions=partitions, left_over=lambda: left
    )


@contextmanager
def running(*workers: Worker) -> Iterator[None]:
    threads = [threading.Thread(target=each.run, daemon=True) for each in workers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        workers[0].stop.set()
        for thread in threads:
            thread.join(30)


def test_a_shop_has_one_partition_and_many_shops_have_all(own_pipeline: Pipeline) -> None:
    route(own_pipeline.url, FOUR)
    for version in range(20):
        own_pipeline.publish(stock_event(version, f"P{version}"), key="north.stock")
    assert sorted(spread(own_pipeline)) == [0, 0, 0, 0, 20]
    for shop in range(60):
        own_pipeline.publish(stock_event(1), key=f"shop{shop}.stock")
    old, *partitions = spread(own_pipeline)
    assert (old, sum(partitions), min(partitions) > 0) == (0, 80, True)


def test_by_its_key_one_big_shop_has_all_partitions_and_a_key_has_one(own_pipeline: Pipeline) -> None:
    route(own_pipeline.url, FOUR_BY_KEY)
    texts = [stock_event(version, f"P{number}") for number in range(60) for version in (1, 2)]
    with Publisher(own_pipeline.url, name="test") as publisher:
        outgoing = [outgoing_text("north", text).outgoing for text in texts]
        results = list(publisher.publish_all(message for message in outgoing if message is not None))
    assert {result.fate for result in results} == {"confirmed"}
    old, *partitions = spread(own_pipeline)
    # Both events of a key, so that every number is even.
    assert (old, sum(partitions), min(partitions) > 0) == (0, 120, True)
    assert [number % 2 for number in partitions] == [0, 0, 0, 0]


def test_without_the_header_all_events_have_one_partition_and_are_applied(own_pipeline: Pipeline) -> None:
    route(own_pipeline.url, FOUR_BY_KEY)
    for number in range(20):
        own_pipeline.publish(stock_event(1, f"P{number}"), key=f"shop{number}.stock")
    assert sorted(spread(own_pipeline)) == [0, 0, 0, 0, 20]
    with running(worker(own_pipeline, FOUR_BY_KEY)):
        wait_until(lambda: len(own_pipeline.rows()) == 20, what="all to be applied")


def test_a_worker_can_take_some_partitions_and_another_the_rest(own_pipeline: Pipeline) -> None:
    route(own_pipeline.url, FOUR)
    for shop in range(40):
        own_pipeline.publish(stock_event(1), key=f"shop{shop}.stock")
    _, first, second, third, fourth = spread(own_pipeline)
    low, high = (replace(FOUR, taken=frozenset(numbers)) for numbers in ({1, 2}, {3, 4}))
    with running(worker(own_pipeline, low)):
        wait_until(lambda: len(own_pipeline.rows()) == first + second, what="the first two to be taken")
        assert spread(own_pipeline) == [0, 0, 0, third, fourth]
        with running(worker(own_pipeline, high)):
            wait_until(lambda: len(own_pipeline.rows()) == 40, what="the others to be taken")


def test_from_one_queue_to_four_to_two_and_back_every_message_is_taken(own_pipeline: Pipeline) -> None:
    def publish(first: int) -> None:
        for number in range(first, first + 20):
            own_pipeline.publish(stock_event(1, f"P{number}"), key=f"shop{number}.stock")

    publish(0)
    route(own_pipeline.url, FOUR)
    publish(20)
    four = spread(own_pipeline)
    assert (four[0], sum(four[1:])) == (20, 20)
    route(own_pipeline.url, TWO)
    publish(40)
    two = spread(own_pipeline)
    assert (two[0], sum(two[1:3]), two[3:]) == (20, sum(four[1:3]) + 20, four[3:])
    route(own_pipeline.url, Partitions(), "stock")
    publish(60)
    one = spread(own_pipeline)
    assert (one[0], one[1:]) == (40, two[1:])
    left = [partition_queue("stock", number) for number in range(1, 5)]
    with running(worker(own_pipeline, Partitions(), *left)):
        wait_until(lambda: len(own_pipeline.rows()) == 80, what="all to be applied")
    assert own_pipeline.outcomes() == {"applied": 80}


def test_other_sessions_leave_the_routes_as_they_are(own_pipeline: Pipeline) -> None:
    route(own_pipeline.url, FOUR)
    with open_connection(own_pipeline.url, name="test") as connection:
        assert declare(connection, None) == {}
    own_pipeline.publish(stock_event(1))
    old, *partitions = spread(own_pipeline)
    assert (old, sum(partitions)) == (0, 1)


def test_no_event_is_without_a_queue_while_processes_with_other_settings_change_the_routes(
    own_pipeline: Pipeline,
) -> None:
    route(own_pipeline.url, FOUR)
    done = threading.Event()

    def change(*layouts: tuple[Partitions, tuple[str, ...]]) -> None:
        while not done.is_set():
            for partitions, former in layouts:
                route(own_pipeline.url, partitions, *former)

    one, four, key = (Partitions(), ("stock",)), (FOUR, ()), (FOUR_BY_KEY, ())
    threads = [threading.Thread(target=change, args=layouts) for layouts in ((one, four), (key, one))]
    returned = []
    with pika.BlockingConnection(pika.URLParameters(own_pipeline.url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for thread in threads:
            thread.start()
        try:
            for number in range(400):
                body = stock_event(1, f"P{number}")
                properties = pika.BasicProperties(CLOUDEVENT, headers={KEY_HEADER: str(number)})
                try:
                    channel.basic_publish(EVENTS, f"shop{number}.stock", body, properties, mandatory=True)
                except pika.exceptions.UnroutableError as error:
                    returned.append(error)
        finally:
            done.set()
            for thread in threads:
                thread.join(60)
    assert returned == []
    assert sum(spread(own_pipeline)) >= 400


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
        stack.enter_context(running(*workers))
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


def test_the_watch_reads_partitions_and_former_ones_until_they_are_deleted(own_pipeline: Pipeline) -> None:
    route(own_pipeline.url, FOUR)
    readings, stop = own_pipeline.database.queues, threading.Event()
    QueueWatch(QueueProbe(own_pipeline.url), readings, stop, FOUR).step()
    four = {partition_queue("stock", number) for number in range(1, 5)}
    assert four < {*readings.names()}
    left_over = LeftOver(readings, TWO, ["stock"])
    assert left_over() == ("comporta.stock.3", "comporta.stock.4")
    watch = QueueWatch(QueueProbe(own_pipeline.url), readings, stop, TWO)
    watch.step()
    last = watch.last()
    assert last is not None
    assert four < last.queues.keys()
    with own_pipeline.channel() as channel:
        channel.queue_delete("comporta.stock.4")
    watch.step()
    assert left_over() == ("comporta.stock.3",)


def test_a_user_without_the_right_to_configure_leaves_the_routes_as_they_are(
    own_pipeline: Pipeline, rabbitmq: Broker
) -> None:
    parts = urlsplit(own_pipeline.url)
    route(own_pipeline.url, FOUR)
    rabbitmq.ctl("add_user", "lowly", "lowly")
    try:
        ours = r"^(comporta|erp|shop)\."
        rabbitmq.ctl("set_permissions", "-p", unquote(parts.path[1:]), "lowly", "^$", ours, ours)
        url = urlunsplit((parts.scheme, f"lowly:lowly@{parts.hostname}:{parts.port}", *parts[2:]))
        with open_connection(url, name="test") as connection:
            assert not [fault for fault in declare(connection, TWO).values() if fault.mismatch]
        for shop in range(40):
            own_pipeline.publish(stock_event(1), key=f"shop{shop}.stock")
        old, *partitions = spread(own_pipeline)
        assert (old, sum(partitions), min(partitions) > 0) == (0, 40, True)
        assert inspect_partitions(url, FOUR)[:2] == (None, [])
    finally:
        rabbitmq.ctl("delete_user", "lowly")


def test_a_dead_letter_of_a_partition_is_processed_once_more(own_pipeline: Pipeline) -> None:
    route(own_pipeline.url, FOUR)
    with own_pipeline.channel() as channel:
        own_pipeline.publish(stock_event(1), key="north.stock")
        for number in range(1, 5):
            name = partition_queue("stock", number)
            for _ in range(30):
                if (message := channel.basic_get(name)) is None:
                    break
                channel.basic_reject(message.delivery_tag, requeue=True)
    with own_pipeline.stepped_dead_letters_worker() as dead:
        dead.drain(1)
    assert own_pipeline.outcomes() == {"applied": 1}


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
        with running(worker(pipeline, FOUR)):
            wait_until(lambda: pipeline.queue_depth(STOCK) == 0, what="the queue to be there")
            pipeline.publish(stock_event(1))
            wait_until(lambda: len(pipeline.rows()) == 1, what="the event to be applied")
        said = [entry for entry in logs if "not spread" in entry["event"]]
        assert [(entry["queue"], entry["error"]) for entry in said] == [("comporta.stock.by-shop", MISSING_PLUGIN)]
        assert f"rabbitmq-plugins enable {PLUGIN}" in MISSING_PLUGIN
        assert Counter(entry["event"] for entry in logs)["broker away"] == 0
