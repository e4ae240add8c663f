"""The switch is never muted: pauses and resumes are answered beside a worker that hangs or is cut off."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import psutil
import pytest

from storage.database import open_database
from tests.support.programs import Program, running_programs
from tests.support.services.broker import Broker
from tests.support.services.postgres import Database
from tests.support.services.proxy import Proxy
from tests.support.wait import wait_until
from tests.support.worker_deployment import WorkerDeployment

CHANGES = 5


@pytest.fixture
def deployment(
    rabbitmq: Broker, postgres: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WorkerDeployment]:
    """A virtual host and a database for workers that are not well."""
    with running_programs(tmp_path_factory.mktemp("muted")) as programs:
        yield WorkerDeployment(rabbitmq, rabbitmq.new_vhost(), postgres.new_database(), programs)


def switch(deployment: WorkerDeployment, action: str) -> dict[str, object]:
    """Change the switch as an operator does at the command line."""
    settings = {"broker_url": deployment.broker_url, "database_url": deployment.database_url}
    done = deployment.programs.run(action, "--reason", "a test", "--timeout", "10", "--json", **settings)
    assert done.code == 0, done.err
    result: dict[str, object] = done.json
    return result


def change_all(deployment: WorkerDeployment) -> None:
    """Pause and resume, again and again; each is answered and holds."""
    database = open_database(deployment.database_url)
    for _ in range(CHANGES):
        assert switch(deployment, "pause")["result"] in ("off", "unchanged")
        assert database.views.status().state == "off"
        assert switch(deployment, "resume")["result"] in ("on", "unchanged")
        assert database.views.status().state == "on"
    assert database.views.status().epoch == 2 * CHANGES
    database.close()


def consuming(worker: Program) -> Program:
    worker.wait_for("broker connected", session="control")
    return worker


def test_a_worker_that_hangs_mutes_nothing_and_changes_nothing_when_it_goes_on(deployment: WorkerDeployment) -> None:
    hung, _ = consuming(deployment.worker()), consuming(deployment.worker())
    hung.send(signal.SIGSTOP)
    wait_until(lambda: psutil.Process(hung.pid).status() == psutil.STATUS_STOPPED, what="the worker to hang")
    change_all(deployment)
    hung.send(signal.SIGCONT)
    # It obeys one more message: whatever it had in its hands is settled by then.
    database = open_database(deployment.database_url)
    for number in range(4):
        switch(deployment, "pause" if number % 2 == 0 else "resume")
    assert database.views.status().state == "on"
    assert database.views.status().epoch == 2 * CHANGES + 4
    database.close()


def test_a_worker_that_is_cut_off_mutes_nothing(deployment: WorkerDeployment) -> None:
    with Proxy(deployment.broker.port) as proxy:
        cut_off = consuming(deployment.worker(broker_url=proxy.through(deployment.broker_url)))
        consuming(deployment.worker())
        proxy.freeze()
        change_all(deployment)
        # The changes may all be done before the cut is noticed; a cut that ends unnoticed needs no new connection.
        cut_off.wait_for("broker connection lost", session="control")
        proxy.resume()
        cut_off.wait_for("broker reconnected", session="control")
        assert switch(deployment, "pause")["result"] in ("off", "unchanged")
    # The deployment's workers end before the proxy's listener would matter again.
    assert cut_off.alive
