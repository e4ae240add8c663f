"""A place of their own on RabbitMQ and PostgreSQL, with programs, for tests that share it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from producers.remote import request
from schemas.control import Action, Reply
from tests.e2e.looks import Look
from tests.e2e.programs import Program, Programs
from tests.services.rabbitmq import Broker, open_channel
from tests.services.waiting import wait_until

__all__ = ["Stack"]

_REPLY_SECONDS = 20.0
FAULTY = "tests.faults.launcher"


@dataclass
class Stack:
    """One virtual host, one database, and what works on them; shops keep tests apart."""

    broker: Broker
    broker_url: str
    database_url: str
    programs: Programs
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def look(self) -> Look:
        """Questions to the database."""
        return Look(self.database_url)

    def worker(self, *arguments: str, processes: int = 1, **settings: object) -> Program:
        """Starts a worker here, and waits until it consumes."""
        return self.programs.worker(*arguments, processes=processes, **self._settings(settings))

    def faulty_worker(self, fault: str, number: int, **settings: object) -> Program:
        """Starts a worker with a fault at its n-th batch."""
        program = self.programs.start(fault, str(number), "worker", module=FAULTY, **self._settings(settings))
        program.wait_for("broker connected", session="events")
        return program

    def change(self, action: Action, shop: str = "*", domains: tuple[str, ...] = ("*",)) -> Reply:
        """Sends a control message over the broker, and returns the reply."""
        message = {"reason": "a test", "by": "tests", "shop": shop, "domains": domains}
        return Reply.model_validate_json(
            request(self.broker_url, action, json.dumps(message).encode(), timeout=_REPLY_SECONDS)
        )

    def pause(self, shop: str = "*", *domains: str) -> Reply:
        """Switches off; returns when it holds."""
        reply = self.change("pause", shop, domains or ("*",))
        assert reply.result == "off"
        return reply

    def resume(self, shop: str = "*", *domains: str) -> Reply:
        """Switches on; returns when it holds."""
        reply = self.change("resume", shop, domains or ("*",))
        assert reply.result == "on"
        return reply

    def depth(self, domain: str = "stock") -> int:
        """How many messages of a domain no worker has taken."""
        return self.broker.queue_depth(self.broker_url, f"comporta.{domain}")

    def wait_empty(self, *domains: str) -> None:
        """Waits until nothing waits in the queues, and nobody holds anything that could come back."""
        for domain in domains or ("stock",):
            wait_until(lambda domain=domain: self.depth(domain) == 0, timeout=60, what=f"{domain} to be empty")

    def _settings(self, settings: dict[str, object]) -> dict[str, object]:
        named = {"broker_url": self.broker_url, "database_url": self.database_url, "log_format": "json"}
        return {**named, **self.settings, **settings}


def queue_consumers(url: str, queue: str) -> int:
    """How many consume a queue now."""
    with open_channel(url) as channel:
        return int(channel.queue_declare(queue, passive=True).method.consumer_count)
