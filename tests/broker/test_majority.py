"""A node without majority: it keeps its connections, and nothing comes of them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest

from broker import nodes
from broker.connection import open_connection, release
from broker.pulse import PULSE_QUEUE, Pulse
from comporta.runtime.health import ReadinessProbe, monitor_for
from tests.support.pipeline import Pipeline, stock_event
from tests.support.services.broker import Broker, open_channel
from tests.support.services.cluster import Cluster
from tests.support.services.proxy import Proxy, through_all
from tests.support.wait import wait_until


@pytest.fixture(autouse=True)
def _no_failures() -> Iterator[None]:
    nodes._failures.clear()
    yield
    nodes._failures.clear()


def said(logs: list[MutableMapping[str, Any]], event: str) -> list[MutableMapping[str, Any]]:
    return [entry for entry in list(logs) if entry["event"] == event]


def test_a_worker_on_a_node_without_majority_lets_go_of_it(
    rabbitmq_pipeline: Pipeline, logs: list[MutableMapping[str, Any]]
) -> None:
    with Cluster() as cluster:
        pipeline = Pipeline(cluster.url, rabbitmq_pipeline.database_url)
        monitor = monitor_for(pipeline.url, pipeline.database, dict, None, lambda: None, (), with_gauges=False)
        assert isinstance(monitor.readiness, ReadinessProbe)
        working = threading.Thread(target=pipeline.worker("stock", batch_ms=20).run, daemon=True)
        working.start()
        [connected] = wait_until(lambda: said(logs, "broker connected"), what="the worker to connect")
        pipeline.publish(stock_event(1))
        wait_until(lambda: pipeline.outcomes() == {"applied": 1}, what="the event to be applied")
        assert asyncio.run(monitor.readiness.check())["broker"].reachable
        assert cluster.leaders(pipeline.url) == {node.name_in_cluster for node in cluster.nodes}
        with cluster.alone(connected["node"]):
            lost = wait_until(lambda: said(logs, "broker connection lost"), what="the worker to notice")
            assert lost[0]["node"] == connected["node"]
            assert not asyncio.run(monitor.readiness.check())["broker"].reachable
        wait_until(lambda: said(logs, "broker reconnected"), timeout=90, what="the worker to come back")
        pipeline.publish(stock_event(2))
        wait_until(lambda: pipeline.outcomes() == {"applied": 2}, what="the next event to be applied")
        pipeline.stop.set()
        working.join(20)
        assert not working.is_alive()
        pipeline.close()


def test_a_session_goes_to_another_node_when_one_stops_answering(
    rabbitmq: Broker, rabbitmq_pipeline: Pipeline, logs: list[MutableMapping[str, Any]]
) -> None:
    with Proxy(rabbitmq.port) as one, Proxy(rabbitmq.port) as other:
        pipeline = Pipeline(through_all(rabbitmq_pipeline.url, one, other), rabbitmq_pipeline.database_url)
        working = threading.Thread(target=pipeline.worker("stock", batch_ms=20).run, daemon=True)
        working.start()
        [connected] = wait_until(lambda: said(logs, "broker connected"), what="the worker to connect")
        used = next(proxy for proxy in (one, other) if proxy.node == connected["node"])
        # Its consumers are there once an event has come.
        rabbitmq_pipeline.publish(stock_event(1))
        wait_until(lambda: pipeline.outcomes() == {"applied": 1}, what="the event to be applied")
        # Long before the heartbeats of this session, which are half a minute apart, would tell.
        used.freeze()
        [lost] = wait_until(lambda: said(logs, "broker connection lost"), what="the worker to notice")
        assert "comporta.pulse" in lost["error"]
        [back] = wait_until(lambda: said(logs, "broker reconnected"), what="the worker to come back")
        assert back["node"] != connected["node"]
        pipeline.stop.set()
        working.join(20)
        pipeline.close()


def test_a_single_node_is_not_asked(rabbitmq_pipeline: Pipeline) -> None:
    with open_channel(rabbitmq_pipeline.url) as channel:
        channel.queue_delete(PULSE_QUEUE)
    connection = open_connection(rabbitmq_pipeline.url, name="test")
    Pulse(connection).ask()
    release(connection)
    with open_channel(rabbitmq_pipeline.url) as channel, pytest.raises(Exception, match="NOT_FOUND"):
        channel.queue_declare(PULSE_QUEUE, passive=True)
