"""SIGTERM: the batch in hand is finished, the exit is 0 and in time, whatever is away; a second one ends at once."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import psutil
import pytest

from tests.support.event_generator import BackgroundPublisher, EventGenerator
from tests.support.programs import Program, running_programs
from tests.support.services.broker import Broker
from tests.support.services.postgres import Database
from tests.support.services.proxy import Proxy
from tests.support.wait import wait_until
from tests.support.worker_deployment import WorkerDeployment

ENDED_BY_SIGTERM = 128 + signal.SIGTERM


@pytest.fixture(scope="module")
def deployment(
    rabbitmq: Broker, postgres: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WorkerDeployment]:
    """A deployment whose workers each test starts and stops."""
    with running_programs(tmp_path_factory.mktemp("stopping")) as programs:
        yield WorkerDeployment(rabbitmq, rabbitmq.new_vhost(), postgres.new_database(), programs)


@pytest.fixture
def to_broker(deployment: WorkerDeployment) -> Iterator[Proxy]:
    """The way to the broker."""
    with Proxy(deployment.broker.port) as proxy:
        yield proxy


@pytest.fixture
def to_database(postgres: Database) -> Iterator[Proxy]:
    """The way to the database."""
    with Proxy(postgres.port) as proxy:
        yield proxy


def check_log_of_a_run(worker: Program) -> None:
    """A run says once that it starts and once that it stops."""
    assert [len(worker.logged(event)) for event in ("started", "stopping", "stopped")] == [1, 1, 1]
    assert "Traceback" not in worker.output


def test_a_narrowed_worker_takes_its_own_domains_and_stops_while_idle(deployment: WorkerDeployment) -> None:
    worker = deployment.worker("--domains", "stock")
    generator = EventGenerator("narrow", domains=("stock", "products"), keys=20)
    deployment.publish(generator.events_of_all_keys())
    deployment.queries.wait_accounted("narrow", 20)
    assert (deployment.queue_depth("stock"), deployment.queue_depth("products")) == (0, 20)
    assert deployment.queries.newest(("products", "narrow")) == {}
    assert [domains for (domains,) in deployment.queries.rows("SELECT domains FROM workers")] == [["stock"]]

    assert worker.stop() == 0
    assert deployment.queries.rows("SELECT id FROM workers") == []
    check_log_of_a_run(worker)


def test_a_worker_stopped_under_load_has_settled_exactly_what_it_has_committed(deployment: WorkerDeployment) -> None:
    worker = deployment.worker("--domains", "stock", batch_size=20)
    generator = EventGenerator("loaded", keys=100)
    with BackgroundPublisher(deployment.broker_url, generator) as publisher:
        publisher.wait_confirmed(1000)
        wait_until(lambda: deployment.queries.outcomes("loaded").total() > 500, what="events to be applied")
        assert worker.stop() == 0
    counted = deployment.queries.outcomes("loaded").total()
    # What it had taken and not committed is back in the queue, at the latest when the broker has seen it go.
    wait_until(
        lambda: deployment.queue_depth() == publisher.published - counted, what="the rest to be back in the queue"
    )
    check_log_of_a_run(worker)


@pytest.mark.parametrize("failure", ["refuse", "freeze"])
def test_a_worker_stops_while_the_broker_has_gone(deployment: WorkerDeployment, to_broker: Proxy, failure: str) -> None:
    worker = deployment.worker(broker_url=to_broker.through(deployment.broker_url))
    if failure == "refuse":
        to_broker.refuse()
        worker.wait_for("broker away", session="events")
    else:
        to_broker.freeze()
    assert worker.stop() == 0
    check_log_of_a_run(worker)


def test_a_worker_stops_while_the_database_has_gone_and_leaves_the_batch_with_the_broker(
    deployment: WorkerDeployment, to_database: Proxy
) -> None:
    worker = deployment.worker("--domains", "images", database_url=to_database.through(deployment.database_url))
    to_database.refuse()
    with_images = EventGenerator("kept", domains=("images",), keys=30)
    deployment.publish(with_images.events_of_all_keys())
    worker.wait_for("database away")
    assert worker.stop() == 0
    assert len(worker.logged("stopped with the database away; the batch stays with the broker")) == 1
    wait_until(lambda: deployment.queue_depth("images") == 30, what="the batch to be back in the queue")
    assert deployment.queries.outcomes("kept").total() == 0
    check_log_of_a_run(worker)


def test_a_second_signal_ends_a_stop_that_waits_for_a_silent_database(
    deployment: WorkerDeployment, to_database: Proxy
) -> None:
    worker = deployment.worker(database_url=to_database.through(deployment.database_url))
    to_database.freeze()
    worker.send(signal.SIGTERM)
    worker.wait_for("stopping")
    assert worker.alive
    worker.send(signal.SIGTERM)
    assert worker.wait() == ENDED_BY_SIGTERM
    assert worker.logged("stopped") == []


def test_workers_end_by_themselves_when_their_parent_is_killed(deployment: WorkerDeployment) -> None:
    parent = deployment.worker(processes=2)
    workers = parent.workers()
    assert len(workers) == 2
    parent.send(signal.SIGKILL)
    assert parent.wait() == -signal.SIGKILL
    psutil.wait_procs(workers, timeout=30)
    assert parent.workers() == []
    assert len(parent.logged("stopped", failed=False)) == 2
    assert (
        deployment.queries.rows("SELECT id FROM workers WHERE pid = ANY (%s)", [worker.pid for worker in workers]) == []
    )


def test_several_workers_stop_together_and_a_killed_one_is_replaced(deployment: WorkerDeployment) -> None:
    parent = deployment.worker(processes=2)
    first, second = parent.workers()
    first.kill()
    parent.wait_for("worker process died", pid=first.pid)
    parent.wait_for("broker connected", session="events", times=3)
    assert second in parent.workers()
    assert len(parent.workers()) == 2
    assert parent.stop() == 0
    assert parent.workers() == []
