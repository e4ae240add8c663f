"""Pipelines on both brokers, each with a database of its own kind."""

from __future__ import annotations

import sys
from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
import structlog
from structlog._config import BoundLoggerLazyProxy
from structlog.testing import capture_logs

from tests.support.pipeline import Backends, Pipeline, open_pipeline
from tests.support.services.broker import Broker


@pytest.fixture(scope="session")
def vhost(rabbitmq: Broker) -> str:
    """A virtual host that the tests of this folder share: each finds its queues empty."""
    return rabbitmq.new_vhost()


@pytest.fixture(params=["memory", "rabbitmq"])
def backends(request: pytest.FixtureRequest) -> Backends:
    """The test is run on the embedded broker with SQLite, and on RabbitMQ with PostgreSQL."""
    if request.param == "memory":
        return Backends("memory://", request.getfixturevalue("sqlite_url"))
    return Backends(request.getfixturevalue("vhost"), request.getfixturevalue("database_url"))


@pytest.fixture
def rabbitmq_backends(vhost: str, sqlite_url: str) -> Backends:
    """RabbitMQ with SQLite, for what only RabbitMQ does."""
    return Backends(vhost, sqlite_url)


@pytest.fixture
def pipeline(backends: Backends) -> Iterator[Pipeline]:
    """A pipeline on each of the backends."""
    with open_pipeline(backends) as pipeline:
        yield pipeline


@pytest.fixture
def rabbitmq_pipeline(rabbitmq_backends: Backends) -> Iterator[Pipeline]:
    """A pipeline on RabbitMQ."""
    with open_pipeline(rabbitmq_backends) as pipeline:
        yield pipeline


@pytest.fixture
def own_pipeline(broker_url: str, sqlite_url: str) -> Iterator[Pipeline]:
    """A pipeline on a virtual host of its own."""
    with open_pipeline(Backends(broker_url, sqlite_url)) as pipeline:
        yield pipeline


@pytest.fixture
def logs() -> Iterator[list[MutableMapping[str, Any]]]:
    """What is logged during the test."""
    forget_logging()
    with capture_logs() as entries:
        yield entries
    forget_logging()


def forget_logging() -> None:
    """Lets the modules' loggers, which keep the first configuration they meet, take the next one."""
    structlog.reset_defaults()
    for module in list(sys.modules.values()):
        logger = getattr(module, "log", None)
        if isinstance(logger, BoundLoggerLazyProxy):
            vars(logger).pop("bind", None)
