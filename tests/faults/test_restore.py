"""Backup and restore, rehearsed as docs/operations.md says: what is there again, and how the rest returns."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.sync_publisher import SyncPublisher
from schemas.topology import ORDERS_IN
from tests.support.event_generator import EventGenerator
from tests.support.order_events import placed
from tests.support.pipeline import CLOUDEVENT
from tests.support.programs import running_programs
from tests.support.services.broker import Broker
from tests.support.services.postgres import Database, Postgres
from tests.support.wait import wait_until
from tests.support.worker_deployment import WorkerDeployment

SHOP, OFF = "main", "closed"


@pytest.fixture
def deployment(rabbitmq: Broker, postgres: Database, tmp_path: Path) -> Iterator[WorkerDeployment]:
    with running_programs(tmp_path) as programs:
        yield WorkerDeployment(rabbitmq, rabbitmq.new_vhost(), postgres.new_database(), programs)


def program(postgres: Postgres, name: str, *arguments: str, given: bytes = b"") -> bytes:
    """Run a program of PostgreSQL of the server's own version."""
    command = [*postgres._program(name), *arguments]
    user, group = postgres._account
    done = subprocess.run(
        command, input=given, user=user, group=group, cwd="/", capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def place(deployment: WorkerDeployment, *ids: str) -> None:
    publisher = SyncPublisher(deployment.broker_url, "test shop")
    for order_id in ids:
        publisher.publish(placed(order_id), exchange=ORDERS_IN, routing_key=SHOP, content_type=CLOUDEVENT)
    publisher.close()


def orders(deployment: WorkerDeployment) -> dict[str, str]:
    return dict(deployment.queries.rows("SELECT order_id, state FROM orders"))


def difference(deployment: WorkerDeployment) -> list[tuple[object, ...]]:
    query = "SELECT (SELECT sum(count) FROM received) - (SELECT sum(count) FROM ledger)"
    return deployment.queries.rows(query)


def test_a_restored_database_is_that_of_the_backup_and_the_rest_is_published_again(
    deployment: WorkerDeployment, postgres: Database
) -> None:
    assert isinstance(postgres, Postgres), "the programs of the server are needed"
    open_, closed = EventGenerator(SHOP), EventGenerator(OFF, keys=5)
    worker = deployment.worker()
    deployment.publish(open_.events_of_all_keys())
    deployment.queries.wait_converged(open_)
    deployment.pause(OFF)
    deployment.publish(closed.events_of_all_keys())
    place(deployment, "O1", "O2")
    wait_until(lambda: orders(deployment) == {"O1": "sent", "O2": "sent"}, what="two orders to be sent")
    wait_until(lambda: len(deployment.queries.missed(OFF)) == 5, what="the discarded events to be missed")
    # While everything runs.
    backup = program(postgres, "pg_dump", "--format=custom", f"--dbname={deployment.database_url}")

    missed_then = deployment.queries.missed(OFF)
    deployment.publish(open_.events_of_all_keys())
    deployment.publish(closed.events_of_all_keys())
    deployment.queries.wait_converged(open_)
    place(deployment, "O3")
    wait_until(lambda: orders(deployment).get("O3") == "sent", what="the third order to be sent")
    assert worker.stop() == 0

    restored = postgres.new_empty_database()
    program(postgres, "pg_restore", "--exit-on-error", f"--dbname={restored}", given=backup)
    deployment.database_url = restored
    settings = {"broker_url": deployment.broker_url, "database_url": restored}
    # The switch, the missed keys, the orders and the ledger are those of the backup.
    effective = deployment.programs.run("status", "--json", **settings).json["effective"]
    assert (effective[SHOP]["stock"], effective[OFF]["stock"]) == ("on", "off")
    assert deployment.queries.missed(OFF) == missed_then
    assert orders(deployment) == {"O1": "sent", "O2": "sent"}
    assert difference(deployment) == [(0,)]

    deployment.worker()
    # The ERP publishes everything again, and the shop its orders.
    deployment.publish(open_.events_of_all_keys())
    deployment.publish(closed.events_of_all_keys())
    place(deployment, "O2", "O3")
    deployment.queries.wait_converged(open_)
    wait_until(lambda: orders(deployment) == dict.fromkeys(("O1", "O2", "O3"), "sent"), what="the third order again")
    wait_until(lambda: deployment.queries.missed(OFF) == closed.newest, what="the keys of the closed shop to be missed")
    assert deployment.queries.newest(*closed.domain_shops) == {}
    deployment.resume(OFF)
    deployment.publish(closed.events_of_all_keys())
    deployment.queries.wait_converged(closed)
    assert deployment.queries.missed(OFF) == {}
    deployment.wait_empty()
    assert difference(deployment) == [(0,)]
