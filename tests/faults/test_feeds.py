"""The exchanges of changes and outcomes survive what kills workers: nothing is lost, and order holds within a key."""

from __future__ import annotations

import json
import signal
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from broker.connection import open_connection
from broker.declare import declare
from broker.sync_publisher import SyncPublisher
from schemas.topology import CHANGES, EVENTS, OUTCOMES
from tests.support.pipeline import stock_event
from tests.support.programs import running_programs
from tests.support.services.broker import Broker
from tests.support.services.postgres import Database
from tests.support.wait import wait_until
from tests.support.worker_deployment import WorkerDeployment

_FOLLOWER, _ERP = "search.index", "erp.outcomes"
_DRAIN = "SELECT 1 FROM change_feed f JOIN relays r ON r.name = 'changes' WHERE f.position = r.position"


@pytest.fixture
def deployment(
    rabbitmq: Broker, postgres: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WorkerDeployment]:
    """Workers that record changes, and queues of those who follow."""
    with running_programs(tmp_path_factory.mktemp("feeds")) as programs:
        url = rabbitmq.new_vhost()
        with open_connection(url, name="test follower") as connection:
            declare(connection)
            with connection.channel() as channel:
                for queue, exchange in ((_FOLLOWER, CHANGES), (_ERP, OUTCOMES)):
                    arguments = {"x-queue-type": "quorum"}
                    channel.queue_declare(queue, durable=True, auto_delete=False, arguments=arguments)
                    channel.queue_bind(queue, exchange, "#")
        yield WorkerDeployment(rabbitmq, url, postgres.new_database(), programs, {"changes": "true"})


def publish(deployment: WorkerDeployment, shop: str, version: int, number: int) -> None:
    publisher = SyncPublisher(deployment.broker_url, "test ERP")
    for place in range(number):
        body = stock_event(version, f"P{place}")
        publisher.publish(body, exchange=EVENTS, routing_key=f"{shop}.stock", content_type="application/json")
    publisher.close()


def received(deployment: WorkerDeployment, queue: str) -> list[tuple[str, dict[str, Any]]]:
    """The messages of a queue: routing key and body."""
    found = []
    with open_connection(deployment.broker_url, name="test") as connection, connection.channel() as channel:
        while (message := channel.basic_get(queue, no_ack=True)) is not None:
            found.append((message.delivery_info["routing_key"], json.loads(message.body)))
    return found


def test_after_kills_a_follower_has_the_final_version_of_every_row(deployment: WorkerDeployment) -> None:
    dying = deployment.faulty_worker("dies between publishing and noting changes", 1)
    for version in (1, 2):
        for shop in ("a", "b"):
            publish(deployment, shop, version, 100)
    assert dying.wait() == -signal.SIGKILL
    # Two take over, once the lease of the dead one has ended.
    workers = deployment.worker(processes=2)
    for shop in ("a", "b"):
        publish(deployment, shop, 3, 100)
    publisher = SyncPublisher(deployment.broker_url, "test ERP")
    publisher.publish(b"{", exchange=EVENTS, routing_key="a.stock", content_type="application/json")
    publisher.close()
    wait_until(
        lambda: deployment.queries.rows("SELECT count(*) FROM stock WHERE version = 3") == [(200,)],
        timeout=90,
        what="every event to be applied",
    )
    wait_until(lambda: deployment.queries.rows(_DRAIN), timeout=90, what="every change to be published")
    wait_until(
        lambda: deployment.queries.rows("SELECT count(*) FROM outcome_notices") == [(0,)], what="the refusal to be told"
    )
    assert workers.alive
    highest: dict[str, int] = defaultdict(int)
    versions: dict[tuple[str, str], str] = {}
    positions, repeats = set(), 0
    for routing_key, message in received(deployment, _FOLLOWER):
        for change in message["data"]["changes"]:
            repeats += change["position"] in positions
            positions.add(change["position"])
            if change["position"] > highest[routing_key]:
                highest[routing_key] = change["position"]
                versions[routing_key, change["key"]["product_code"]] = change["version"]
    assert repeats, "nothing was published twice: the worker died at another place"
    [(newest,)] = deployment.queries.rows("SELECT position FROM change_feed")
    assert positions == set(range(2, newest + 1))
    assert versions == {(f"{shop}.stock", f"P{place}"): "3" for shop in "ab" for place in range(100)}
    [(routing_key, refused)] = [(key, body) for key, body in received(deployment, _ERP) if key.endswith(".quarantined")]
    assert (routing_key, refused["data"]["reasons"][0]["code"]) == ("a.stock.quarantined", "malformed_json")
