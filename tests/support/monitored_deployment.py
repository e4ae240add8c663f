"""Monitored deployment: a worker and a process with the page, each scraped at a port of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.support.database_queries import DatabaseQueries
from tests.support.event_generator import Event, EventPublisher
from tests.support.metrics_client import Scrape, scrape
from tests.support.programs import CompletedCommand, Program, Programs

__all__ = ["MonitoredDeployment", "start_program"]


@dataclass(frozen=True)
class MonitoredDeployment:
    """Worker and page: the worker's metrics on one port, those of the database on another."""

    programs: Programs
    settings: dict[str, Any]
    worker_port: int
    admin_port: int

    @property
    def worker(self) -> Scrape:
        """Metrics of the worker."""
        return scrape(self.worker_port)

    @property
    def admin(self) -> Scrape:
        """Metrics of the process with the page."""
        return scrape(self.admin_port)

    @property
    def queries(self) -> DatabaseQueries:
        """Queries of the database."""
        return DatabaseQueries(self.settings["database_url"])

    def publish(self, *events: Event) -> None:
        """Publish events; return when they are confirmed."""
        with EventPublisher(self.settings["broker_url"]) as publisher:
            publisher.publish(events)

    def command(self, *arguments: str) -> CompletedCommand:
        """Run a command against it."""
        done = self.programs.run(*arguments, **self.settings)
        assert done.code == 0, done.err
        return done


def start_program(programs: Programs, command: str, **settings: object) -> Program:
    """Start a program, and wait until its health and metrics can be asked for."""
    program = programs.start(command, log_format="json", **settings)
    program.wait_for("listening" if command != "worker" else "metrics")
    return program
