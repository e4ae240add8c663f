"""What is measured: one row of the table each."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

import orjson

from bench import throughput
from bench.latency import publish_to_commit
from bench.pausing import pause_to_reply
from bench.places import Servers
from bench.processes import MeasurementFailed
from bench.results import Figures

__all__ = ["FULL", "QUICK", "ROWS", "Row", "Scale"]


@dataclass(frozen=True, slots=True)
class Scale:
    """How many events: a backlog, a backlog for what is slow or small, and one at a time."""

    backlog: int
    small_backlog: int
    singles: int


FULL = Scale(backlog=200_000, small_backlog=20_000, singles=2_000)
QUICK = Scale(backlog=20_000, small_backlog=5_000, singles=400)


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its name, what it says and how it is measured."""

    name: str
    says: str
    measure: Callable[[Servers, Scale], Figures]


def _embedded(_servers: Servers, scale: Scale) -> Figures:
    command = [sys.executable, "-m", "bench.peers.embedded", str(scale.small_backlog)]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise MeasurementFailed(done.stderr.decode(errors="replace")[-2000:])
    figures: Figures = orjson.loads(done.stdout)
    return figures


ROWS: tuple[Row, ...] = (
    Row("worker-1", "one worker process", lambda on, of: throughput.workers(on, of.backlog, 1)),
    Row("bare-1", "the bare loop, one process", lambda on, of: throughput.bare(on, of.backlog, 1)),
    Row("discard-1", "one worker process, everything off", lambda on, of: throughput.discarding(on, of.backlog)),
    Row("worker-2", "two worker processes", lambda on, of: throughput.workers(on, of.backlog, 2)),
    Row("bare-2", "the bare loop, two processes", lambda on, of: throughput.bare(on, of.backlog, 2)),
    Row(
        "faststream",
        "FastStream + asyncpg, as documented",
        lambda on, of: throughput.one_by_one(on, of.small_backlog, "documented"),
    ),
    Row(
        "faststream-tuned",
        "FastStream + asyncpg, tuned",
        lambda on, of: throughput.one_by_one(on, of.small_backlog, "tuned"),
    ),
    Row("latency", "200 events/s, publish to commit", lambda on, of: publish_to_commit(on, of.singles)),
    Row("pause", "pause to reply, two busy workers", lambda on, of: pause_to_reply(on, of.backlog)),
    Row("embedded", "one process on memory:// and SQLite", _embedded),
)
