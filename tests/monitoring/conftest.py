"""One worker and one process with the page, on RabbitMQ and PostgreSQL, for the tests that only look."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.database_queries import Look
from tests.support.event_generator import Event, Publisher
from tests.support.metrics_client import Scrape, scrape
from tests.support.programs import Done, Program, Programs, running_programs
from tests.support.services.ports import free_port
from tests.support.services.postgres import Database
from tests.support.services.rabbitmq import Broker


@dataclass(frozen=True)
class Site:
    """Where everything runs: the worker's metrics on one port, those of the database on another."""

    programs: Programs
    settings: dict[str, Any]
    worker_port: int
    admin_port: int

    @property
    def worker(self) -> Scrape:
        """What the worker exposes."""
        return scrape(self.worker_port)

    @property
    def admin(self) -> Scrape:
        """What the process with the page exposes."""
        return scrape(self.admin_port)

    @property
    def look(self) -> Look:
        """Questions to the database."""
        return Look(self.settings["database_url"])

    def publish(self, *events: Event) -> None:
        """Publishes events; returns when they are confirmed."""
        with Publisher(self.settings["broker_url"]) as publisher:
            publisher.publish(events)

    def command(self, *arguments: str) -> Done:
        """Runs a command against it."""
        done = self.programs.run(*arguments, **self.settings)
        assert done.code == 0, done.err
        return done


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    """Programs of one test."""
    with running_programs(tmp_path) as programs:
        yield programs


@pytest.fixture(scope="package")
def site(rabbitmq: Broker, postgres: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A worker and a page that the tests of this folder share."""
    settings = {"broker_url": rabbitmq.new_vhost(), "database_url": postgres.new_database(), "log_format": "json"}
    with running_programs(tmp_path_factory.mktemp("site")) as programs:
        worker_port, admin_port = free_port(), free_port()
        programs.worker(**settings, metrics_port=worker_port)
        admin = programs.start("admin", **settings, admin_port=admin_port)
        admin.wait_for("listening")
        yield Site(programs, settings, worker_port, admin_port)


def started(programs: Programs, command: str, **settings: object) -> Program:
    """A program that answers to whoever monitors it."""
    program = programs.start(command, log_format="json", **settings)
    program.wait_for("listening" if command != "worker" else "metrics")
    return program
