"""What is measured: one row of the table each."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

import orjson

from bench import ordering, publishing, throughput
from bench.latency import publish_to_commit
from bench.pausing import pause_to_reply
from bench.places import Servers
from bench.processes import MeasurementFailed
from bench.results import Figures

__all__ = ["FULL", "QUICK", "ROWS", "Row", "Scale"]


@dataclass(frozen=True, slots=True)
class Scale:
    """How many events: in a backlog, in a small one, one at a time; published, and one by one; how many orders."""

    backlog: int
    small_backlog: int
    singles: int
    published: int
    published_singly: int
    orders: int


FULL = Scale(
    backlog=200_000, small_backlog=20_000, singles=2_000, published=100_000, published_singly=4_000, orders=8_000
)
QUICK = Scale(backlog=20_000, small_backlog=5_000, singles=400, published=10_000, published_singly=500, orders=2_000)


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
    Row("publish", "our publisher, every message confirmed", lambda on, of: publishing.way(on, of.published, "ours")),
    Row(
        "publish-bare",
        "a bare loop on pika's SelectConnection",
        lambda on, of: publishing.way(on, of.published, "bare"),
    ),
    Row(
        "publish-command",
        "comporta publish FILE, validation and start included",
        lambda on, of: publishing.command(on, of.published),
    ),
    Row(
        "publish-aio-pika",
        "aio-pika, confirms gathered",
        lambda on, of: publishing.way(on, of.small_backlog, "aio-pika"),
    ),
    Row(
        "publish-kombu",
        "kombu with confirm_publish",
        lambda on, of: publishing.way(on, of.published_singly, "kombu"),
    ),
    Row(
        "publish-blocking",
        "pika's BlockingConnection",
        lambda on, of: publishing.way(on, of.published_singly, "blocking"),
    ),
    Row("orders-amqp", "orders internalized over AMQP", lambda on, of: ordering.internalized_by_amqp(on, of.orders)),
    Row("orders-http", "orders internalized over HTTP", lambda on, of: ordering.internalized_by_http(on, of.orders)),
    Row("orders-latency", "20 orders/s, placed to ERP", lambda on, of: ordering.placed_to_erp(on, of.orders // 20)),
    Row("orders-resume", "resume's reply to first order at the ERP", lambda on, _: ordering.resume_to_erp(on)),
    Row("embedded", "one process on memory:// and SQLite", _embedded),
)
