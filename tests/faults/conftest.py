"""Shared deployment with one worker behind a proxy; shops keep the tests apart."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from comporta.runtime.logs import quiet_libraries
from tests.support.programs import running_programs
from tests.support.services.broker import Broker
from tests.support.services.postgres import Database
from tests.support.services.proxy import Proxy
from tests.support.worker_deployment import SharedWorkerDeployment


@pytest.fixture(scope="package", autouse=True)
def _quiet() -> None:
    quiet_libraries()


@pytest.fixture(scope="package")
def _shared_deployment(
    rabbitmq: Broker, postgres: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SharedWorkerDeployment]:
    with running_programs(tmp_path_factory.mktemp("shared")) as programs, Proxy(rabbitmq.port) as proxy:
        url = rabbitmq.new_vhost()
        settings = {"broker_url": proxy.through(url), "batch_size": 50}
        yield SharedWorkerDeployment(rabbitmq, url, postgres.new_database(), programs, settings, proxy=proxy)


@pytest.fixture
def shared_deployment(_shared_deployment: SharedWorkerDeployment) -> SharedWorkerDeployment:
    """A worker that consumes, whatever the test before has done to it."""
    _shared_deployment.proxy.resume()
    _shared_deployment.ensure_worker()
    return _shared_deployment
