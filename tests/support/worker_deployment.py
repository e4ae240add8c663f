"""Worker deployment: a virtual host, a database and workers that tests may kill."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from control.client import request
from schemas.control import Action, Reply
from tests.support.database_queries import DatabaseQueries
from tests.support.event_generator import Event, EventPublisher
from tests.support.programs import Program, Programs
from tests.support.services.broker import Broker
from tests.support.services.proxy import Proxy
from tests.support.wait import wait_until

__all__ = ["SharedWorkerDeployment", "WorkerDeployment"]

_REPLY_SECONDS = 20.0
_FAULTY_PROGRAM = "tests.support.faulty_program"


@dataclass
class WorkerDeployment:
    """One virtual host, one database, and the programs on them; shops keep tests apart."""

    broker: Broker
    broker_url: str
    database_url: str
    programs: Programs
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def queries(self) -> DatabaseQueries:
        """Queries of the database."""
        return DatabaseQueries(self.database_url)

    def worker(self, *arguments: str, processes: int = 1, **settings: object) -> Program:
        """Start a worker here, and wait until it consumes."""
        return self.programs.worker(*arguments, processes=processes, **self._settings(settings))

    def start_faulty_worker(self, fault: str, number: int, **settings: object) -> Program:
        """Start a worker with a fault at its n-th batch, which may come before every session is there."""
        return self.programs.start(fault, str(number), "worker", module=_FAULTY_PROGRAM, **self._settings(settings))

    def faulty_worker(self, fault: str, number: int, **settings: object) -> Program:
        """Start a worker with a fault at its n-th batch, and wait until it consumes."""
        program = self.start_faulty_worker(fault, number, **settings)
        program.wait_for("broker connected", session="events")
        return program

    def change(self, action: Action, shop: str = "*", domains: tuple[str, ...] = ("*",)) -> Reply:
        """Send a control message over the broker; return the reply."""
        message = {"reason": "a test", "by": "tests", "shop": shop, "domains": domains, "new_shop": True}
        return Reply.model_validate_json(
            request(self.broker_url, action, json.dumps(message).encode(), timeout=_REPLY_SECONDS)
        )

    def pause(self, shop: str = "*", *domains: str) -> Reply:
        """Switch off; return when it holds."""
        reply = self.change("pause", shop, domains or ("*",))
        assert reply.result == "off"
        return reply

    def resume(self, shop: str = "*", *domains: str) -> Reply:
        """Switch on; return when it holds."""
        reply = self.change("resume", shop, domains or ("*",))
        assert reply.result == "on"
        return reply

    def publish(self, events: Iterable[Event]) -> None:
        """Publish events past every proxy; return when they are confirmed."""
        with EventPublisher(self.broker_url) as publisher:
            publisher.publish(events)

    def queue_depth(self, domain: str = "stock") -> int:
        """Count the messages of a domain that no worker has taken."""
        return self.broker.queue_depth(self.broker_url, f"comporta.{domain}")

    def unsettled(self) -> int:
        """Count the messages in the queues of events, taken or not."""
        vhost = unquote(urlsplit(self.broker_url).path.removeprefix("/"))
        listed = self.broker.ctl("list_queues", "--vhost", vhost, "--no-table-headers", "name", "messages")
        return sum(int(count) for name, count in map(str.split, listed.splitlines()) if name.startswith("comporta."))

    def wait_empty(self, *domains: str) -> None:
        """Wait until no message is left that no worker has taken."""
        for domain in domains or ("stock",):
            wait_until(lambda domain=domain: self.queue_depth(domain) == 0, what=f"{domain} to be empty")

    def _settings(self, settings: dict[str, object]) -> dict[str, object]:
        named = {"broker_url": self.broker_url, "database_url": self.database_url, "log_format": "json"}
        return {**named, **self.settings, **settings}


@dataclass
class SharedWorkerDeployment(WorkerDeployment):
    """Deployment with one worker that several tests share, behind a proxy to the broker."""

    proxy: Proxy = field(kw_only=True)
    _worker: Program | None = None

    @property
    def worker_program(self) -> Program:
        """Worker that the tests share."""
        assert self._worker is not None
        return self._worker

    def ensure_worker(self) -> Program:
        """Start the worker if it does not run."""
        if self._worker is None or not self._worker.alive:
            self._worker = self.worker()
        return self._worker
