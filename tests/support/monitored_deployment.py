"""A worker and a process with the page, each scraped at a port of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.support.database_queries import Look
from tests.support.event_generator import Event, Publisher
from tests.support.metrics_client import Scrape, scrape
from tests.support.programs import Done, Program, Programs

__all__ = ["Site", "started"]


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


def started(programs: Programs, command: str, **settings: object) -> Program:
    """A program that answers to whoever monitors it."""
    program = programs.start(command, log_format="json", **settings)
    program.wait_for("listening" if command != "worker" else "metrics")
    return program
