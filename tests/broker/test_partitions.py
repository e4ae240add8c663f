"""Partitions on RabbitMQ: events are spread, none is lost on the way there and back, and order never matters."""

from __future__ import annotations

import threading
from urllib.parse import unquote, urlsplit, urlunsplit

import pika

from broker.connection import open_connection
from broker.declare import declare
from broker.partitions import inspect_partitions
from broker.queues import QueueProbe
from consumers.left_over import LeftOver
from consumers.queue_watch import QueueWatch
from producers.events import outgoing_text
from producers.publisher import Publisher
from schemas.partitions import KEY_HEADER, Partitions, partition_queue
from schemas.topology import EVENTS
from tests.support.partition_harness import FOUR, FOUR_BY_KEY, TWO, route, spread, worker
from tests.support.pipeline import CLOUDEVENT, Pipeline, stock_event
from tests.support.running_workers import running_workers
from tests.support.services.broker import Broker
from tests.support.wait import wait_until


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
    with running_workers(worker(own_pipeline, Partitions(), *left)):
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
