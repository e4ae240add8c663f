"""Several nodes in the broker URL: every connection finds one that works, and a failure goes to another."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, MutableMapping
from contextlib import ExitStack
from typing import Any

import pytest

from broker import nodes
from broker.connection import open_connection, release
from broker.diagnostics import inspect_broker
from broker.sync_publisher import SyncPublisher
from comporta.runtime.health import ReadinessProbe, monitor_for
from control.client import request
from control.consumer import ControlConsumer
from producers.messages import Fate, OutgoingMessage
from producers.publisher import Publisher
from schemas.topology import EVENTS
from tests.support.pipeline import Pipeline, stock_event
from tests.support.services.broker import Broker
from tests.support.services.proxy import Proxy, through_all
from tests.support.wait import wait_until

TRIES = 4


@pytest.fixture(autouse=True)
def _no_failures() -> Iterator[None]:
    nodes._failures.clear()
    yield
    nodes._failures.clear()


@pytest.fixture
def proxies(rabbitmq: Broker) -> Iterator[list[Proxy]]:
    """Three ways to one broker, as the nodes of a cluster."""
    with ExitStack() as stack:
        yield [stack.enter_context(Proxy(rabbitmq.port)) for _ in range(3)]


def in_use(proxies: list[Proxy]) -> Proxy:
    """The only node that has a connection."""

    def one() -> Proxy | None:
        used = [proxy for proxy in proxies if proxy.connections]
        return used[0] if len(used) == 1 else None

    found = wait_until(one, what="one node to be in use")
    assert found is not None
    return found


def outgoing(number: int) -> OutgoingMessage:
    return OutgoingMessage(EVENTS, "main.stock", stock_event(number, f"P{number}"), f"e{number}")


def test_each_kind_of_connection_passes_over_a_node_that_refuses(
    rabbitmq_pipeline: Pipeline, proxies: list[Proxy]
) -> None:
    url = through_all(rabbitmq_pipeline.url, *proxies)
    proxies[0].refuse()
    proxies[1].refuse()
    for _ in range(TRIES):
        # Each time as if for the first time, so that the order is a new one.
        nodes._failures.clear()
        connection = open_connection(url, name="test")
        assert connection.node is not None
        assert str(connection.node) == proxies[2].node
        release(connection)
        nodes._failures.clear()
        SyncPublisher(url, "test").publish(b"{}", exchange=EVENTS, routing_key="main.stock")
        nodes._failures.clear()
        assert inspect_broker(url).queues["comporta.stock"] is not None
        nodes._failures.clear()
        with Publisher(url) as publisher:
            assert publisher.publish(outgoing(1)).fate is Fate.CONFIRMED
    monitor = monitor_for(url, rabbitmq_pipeline.database, dict, None, lambda: None, (), with_gauges=False)
    assert isinstance(monitor.readiness, ReadinessProbe)
    assert asyncio.run(monitor.readiness.check())["broker"].reachable


def test_a_node_that_hangs_is_passed_over_and_then_avoided(
    rabbitmq_pipeline: Pipeline, proxies: list[Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = through_all(rabbitmq_pipeline.url, *proxies[:2])
    proxies[0].freeze()
    monkeypatch.setattr("random.sample", lambda population, k: list(population)[:k])
    for _ in range(TRIES):
        connection = open_connection(url, name="test")
        assert str(connection.node) == proxies[1].node
        release(connection)
    # It was waited for once, and not once a connection.
    assert proxies[0].connections <= 1


def test_a_session_goes_on_at_another_node(
    rabbitmq_pipeline: Pipeline, proxies: list[Proxy], logs: list[MutableMapping[str, Any]]
) -> None:
    url = through_all(rabbitmq_pipeline.url, *proxies)
    pipeline = Pipeline(url, rabbitmq_pipeline.database_url)
    working = threading.Thread(target=pipeline.worker("stock", batch_ms=20).run, daemon=True)
    working.start()
    for number in range(1, 4):
        used = in_use(proxies)
        rabbitmq_pipeline.publish(stock_event(number))
        # One whose acknowledgement was lost with the connection comes again, and is superseded.
        wait_until(lambda number=number: pipeline.outcomes().get("applied") == number, what="the event to be applied")
        used.refuse()
        assert in_use(proxies) is not used
        used.resume()
    pipeline.stop.set()
    working.join(10)
    assert not working.is_alive()
    pipeline.close()
    lost = [entry["node"] for entry in logs if entry["event"] == "broker connection lost"]
    back = [entry["node"] for entry in logs if entry["event"] == "broker reconnected"]
    assert len(lost) == len(back) >= 3
    assert all(before != after for before, after in zip(lost, back, strict=True))


def test_what_a_publisher_has_not_had_confirmed_goes_to_another_node(
    rabbitmq_pipeline: Pipeline, proxies: list[Proxy]
) -> None:
    with Publisher(through_all(rabbitmq_pipeline.url, *proxies)) as publisher:
        assert publisher.publish(outgoing(1)).fate is Fate.CONFIRMED
        used = in_use(proxies)
        used.refuse()
        assert publisher.publish(outgoing(2)).fate is Fate.CONFIRMED
        assert in_use(proxies) is not used


def test_a_pause_is_obeyed_over_the_nodes_that_are_left(rabbitmq_pipeline: Pipeline, proxies: list[Proxy]) -> None:
    url = through_all(rabbitmq_pipeline.url, *proxies)
    pipeline = Pipeline(url, rabbitmq_pipeline.database_url)
    replies = SyncPublisher(url, "replies")
    controller = ControlConsumer(url, pipeline.switchboard, pipeline.database.views.status, replies, pipeline.stop)
    working = threading.Thread(target=controller.run, daemon=True)
    working.start()
    for action, result in (("pause", "off"), ("resume", "on")):
        wait_until(lambda: any(proxy.connections for proxy in proxies), what="the control consumer")
        used = next(proxy for proxy in proxies if proxy.connections)
        used.refuse()
        nodes._failures.clear()
        reply = json.loads(request(url, action, b'{"reason": "a test"}', timeout=20))
        assert reply["result"] == result
        used.resume()
    pipeline.stop.set()
    working.join(10)
    pipeline.close()


def test_a_node_with_an_ipv6_address(rabbitmq: Broker, rabbitmq_pipeline: Pipeline) -> None:
    with Proxy(rabbitmq.port, host="::1") as proxy:
        url = through_all(rabbitmq_pipeline.url, proxy)
        assert "@[::1]:" in url
        connection = open_connection(url, name="test")
        assert str(connection.node) == proxy.node
        release(connection)
        with Publisher(url) as publisher:
            assert publisher.publish(outgoing(1)).fate is Fate.CONFIRMED
