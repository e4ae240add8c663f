"""Notices survive what kills workers: none is lost, repeats keep their id, and each order's come in order."""

from __future__ import annotations

import json
import signal
from collections import defaultdict
from collections.abc import Iterator

import pytest

from broker.connection import open_connection
from broker.declare import declare
from broker.sync_publisher import SyncPublisher
from schemas.topology import ORDER_NOTICES, ORDERS_IN
from tests.support.order_events import placed
from tests.support.programs import running_programs
from tests.support.services.broker import Broker
from tests.support.services.http_erp import HttpErp, running_http_erp
from tests.support.services.postgres import Database
from tests.support.wait import wait_until
from tests.support.worker_deployment import WorkerDeployment

_QUEUE = "shop.main.notices"


@pytest.fixture
def erp() -> Iterator[HttpErp]:
    """An ERP that answers at an address."""
    with running_http_erp() as erp:
        yield erp


@pytest.fixture
def deployment(
    rabbitmq: Broker, postgres: Database, tmp_path_factory: pytest.TempPathFactory, erp: HttpErp
) -> Iterator[WorkerDeployment]:
    """Workers that deliver to the ERP, and a queue of the shop."""
    with running_programs(tmp_path_factory.mktemp("notices")) as programs:
        url = rabbitmq.new_vhost()
        with open_connection(url, name="test shop") as connection:
            declare(connection)
            with connection.channel() as channel:
                channel.queue_declare(_QUEUE, durable=True, auto_delete=False, arguments={"x-queue-type": "quorum"})
                channel.queue_bind(_QUEUE, ORDER_NOTICES, "main")
        yield WorkerDeployment(rabbitmq, url, postgres.new_database(), programs, {"erp_url": erp.url})


def place(deployment: WorkerDeployment, *ids: str) -> None:
    publisher = SyncPublisher(deployment.broker_url, "test shop")
    for order_id in ids:
        publisher.publish(placed(order_id), exchange=ORDERS_IN, routing_key="main")
    publisher.close()


def test_after_kills_each_order_has_its_notices_in_order(deployment: WorkerDeployment) -> None:
    orders = [f"O{number}" for number in range(60)]
    dying = deployment.faulty_worker("dies between publishing and removing notices", 1)
    place(deployment, *orders)
    assert dying.wait() == -signal.SIGKILL
    # Two take over, once the lease of the dead one has ended.
    deployment.worker(processes=2)
    wait_until(
        lambda: deployment.queries.rows("SELECT count(*) FROM orders WHERE state = 'internalized'") == [(60,)],
        timeout=90,
        what="every order to have its number",
    )
    wait_until(
        lambda: deployment.queries.rows("SELECT count(*) FROM outbox") == [(0,)], timeout=90, what="an empty outbox"
    )
    ids: dict[str, set[tuple[str, str]]] = defaultdict(set)
    kinds: dict[str, list[str]] = defaultdict(list)
    with open_connection(deployment.broker_url, name="test") as connection, connection.channel() as channel:
        while (message := channel.basic_get(_QUEUE, no_ack=True)) is not None:
            notice = json.loads(message.body)
            order_id, kind = notice["data"]["order_id"], notice["type"].split(".")[2]
            ids[notice["id"]].add((order_id, kind))
            if kind not in kinds[order_id]:
                kinds[order_id].append(kind)
    assert dict(kinds) == {order_id: ["accepted", "internalized"] for order_id in orders}
    assert len(ids) == 120
    assert all(len(subjects) == 1 for subjects in ids.values())
