"""Task-queue peers: their commands, their queues, and a backlog of messages of their own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from bench.backlog import delete_queues
from bench.events import Backlog
from bench.places import Place
from bench.processes import MeasurementFailed, python

__all__ = ["TASK_PEERS", "TaskPeer"]


@dataclass(frozen=True, slots=True)
class TaskPeer:
    """Task queue: its module, the command from its documentation, its queues and the consumers of the first queue."""

    module: str
    command: Sequence[str]
    queues: Sequence[str]
    consumers: int

    @contextmanager
    def filled(self, place: Place, backlog: Backlog) -> Iterator[str]:
        """Yield the queue with each event as a message of the peer's own kind: the peer can't read any other."""
        settings = {"COMPORTA_BROKER_URL": place.broker_url, "COMPORTA_DATABASE_URL": place.database_url}
        command = python(self.module, str(backlog.count))
        try:
            process = subprocess.run(command, env=os.environ | settings, capture_output=True, check=False)
            if process.returncode:
                raise MeasurementFailed(process.stderr.decode(errors="replace")[-2000:])
            yield self.queues[0]
        finally:
            delete_queues(place.broker_url, self.queues)


TASK_PEERS = {
    # One process for each core, each with 8 threads and a consumer.
    "dramatiq": TaskPeer(
        "bench.peers.dramatiq_actor",
        ("dramatiq", "bench.peers.dramatiq_actor"),
        ("default", "default.DQ", "default.XQ"),
        os.cpu_count() or 1,
    ),
    # One consumer, which hands the events to one process for each core.
    "celery": TaskPeer(
        "bench.peers.celery_task", ("celery", "--quiet", "-A", "bench.peers.celery_task", "worker"), ("celery",), 1
    ),
}
