"""Monitored deployment on RabbitMQ and PostgreSQL, for the tests that only read it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.monitored_deployment import MonitoredDeployment
from tests.support.programs import running_programs
from tests.support.services.broker import Broker
from tests.support.services.ports import free_port
from tests.support.services.postgres import Database


@pytest.fixture(scope="package")
def deployment(
    rabbitmq: Broker, postgres: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MonitoredDeployment]:
    """A worker and a page that the tests of this folder share."""
    settings = {"broker_url": rabbitmq.new_vhost(), "database_url": postgres.new_database(), "log_format": "json"}
    with running_programs(tmp_path_factory.mktemp("site")) as programs:
        worker_port, admin_port = free_port(), free_port()
        programs.worker(**settings, metrics_port=worker_port)
        admin = programs.start("admin", **settings, admin_port=admin_port)
        admin.wait_for("listening")
        yield MonitoredDeployment(programs, settings, worker_port, admin_port)
