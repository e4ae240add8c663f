"""Rows of the benchmark table."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import orjson

from bench import crowd, ledger, loads, missed, orders, page, partitions, publishers, siege, throughput, versions
from bench.events import Backlog
from bench.latency import publish_to_commit
from bench.muted import pause_beside_a_hung_worker
from bench.pauses import pause_to_reply
from bench.places import Servers
from bench.processes import MeasurementFailed
from bench.results import Figures

__all__ = ["FULL", "QUICK", "ROWS", "Row", "Scale"]


@dataclass(frozen=True, slots=True)
class Scale:
    """Sizes of a run: events in a backlog, in a small backlog, one at a time, published in bulk and singly; orders.

    `keys` is the number of keys where they are drawn at random, `missed` that of missed keys.
    """

    backlog: int
    small_backlog: int
    keys: int
    singles: int
    published: int
    published_singly: int
    orders: int
    missed: int


FULL = Scale(
    backlog=200_000,
    small_backlog=20_000,
    keys=100_000,
    singles=2_000,
    published=100_000,
    published_singly=4_000,
    orders=8_000,
    missed=1_000_000,
)
QUICK = Scale(
    backlog=20_000,
    small_backlog=5_000,
    keys=10_000,
    singles=400,
    published=10_000,
    published_singly=500,
    orders=2_000,
    missed=50_000,
)


@dataclass(frozen=True, slots=True)
class Row:
    """Row: its name, its table, its label and its measurement, which may raise `LeftOut`."""

    name: str
    group: str
    label: str
    measure: Callable[[Servers, Scale], Figures]


def _embedded(_servers: Servers, scale: Scale) -> Figures:
    command = [sys.executable, "-m", "bench.peers.embedded", str(scale.small_backlog)]
    process = subprocess.run(command, capture_output=True, check=False)
    if process.returncode:
        raise MeasurementFailed(process.stderr.decode(errors="replace")[-2000:])
    figures: Figures = orjson.loads(process.stdout)
    return figures


def _uniform(of: Scale) -> Backlog:
    return Backlog(of.backlog, keys=of.keys)


def _real(of: Scale) -> Backlog:
    return Backlog(of.backlog)


def _few(of: Scale) -> Backlog:
    return Backlog(of.small_backlog)


_APPLY, _UNIFORM, _SPREAD, _LOAD, _MISSED, _PEERS, _WAITING, _PUBLISH, _ORDERS, _PAGE, _CROWD = (
    "a backlog of real events",
    "a backlog of keys drawn by chance",
    "stock on several queues, keys drawn by chance",
    "a full load of distinct keys",
    "missed keys, versions, ledger",
    "the usual ways, one upsert an event",
    "how long one waits",
    "publishing, every message confirmed",
    "orders",
    "the page",
    "a thousand shops, 100,000 missed keys, 10,000 refused messages, 20,000 orders",
)


def _spread(
    name: str, label: str, measure: Callable[[Servers, Backlog, int], Figures], counts: Sequence[int]
) -> list[Row]:
    """Return a row for each number of queues."""
    return [
        Row(
            f"{name}-{count}",
            _SPREAD,
            f"{label}, {count} queues" if count > 1 else f"{label}, one queue",
            lambda on, of, count=count: measure(on, _uniform(of), count),
        )
        for count in counts
    ]


ROWS: tuple[Row, ...] = (
    Row("worker-1", _APPLY, "one worker process", lambda on, of: throughput.workers(on, _real(of), 1)),
    Row("bare-1", _APPLY, "the bare loop, one process", lambda on, of: throughput.bare(on, _real(of), 1)),
    Row("go-1", _APPLY, "hand-written Go, one process", lambda on, of: throughput.reference(on, _real(of), 1)),
    Row("discard-1", _APPLY, "one worker process, everything off", lambda on, of: throughput.discarding(on, _real(of))),
    Row("worker-2", _APPLY, "two worker processes", lambda on, of: throughput.workers(on, _real(of), 2)),
    Row("bare-2", _APPLY, "the bare loop, two processes", lambda on, of: throughput.bare(on, _real(of), 2)),
    Row("go-2", _APPLY, "hand-written Go, two processes", lambda on, of: throughput.reference(on, _real(of), 2)),
    Row("worker-1-uniform", _UNIFORM, "one worker process", lambda on, of: throughput.workers(on, _uniform(of), 1)),
    Row(
        "go-1-uniform",
        _UNIFORM,
        "hand-written Go, one process",
        lambda on, of: throughput.reference(on, _uniform(of), 1),
    ),
    Row("worker-2-uniform", _UNIFORM, "two worker processes", lambda on, of: throughput.workers(on, _uniform(of), 2)),
    Row(
        "go-2-uniform",
        _UNIFORM,
        "hand-written Go, two processes",
        lambda on, of: throughput.reference(on, _uniform(of), 2),
    ),
    *_spread("partitions", "two worker processes", partitions.spread, (1, 2, 4)),
    *_spread("acknowledged", "acknowledging only", partitions.acknowledged, (1, 4)),
    *_spread("filled", "publishing only", partitions.filled, (1, 4)),
    Row("full-load", _LOAD, "one worker process", lambda on, of: loads.full_load(on, of.backlog)),
    Row(
        "full-load-plain",
        _LOAD,
        "the same events without the load",
        lambda on, of: loads.plain(on, of.backlog),
    ),
    Row("live", _LOAD, "live events", lambda on, of: loads.live(on, of.backlog, beside_load=False)),
    Row(
        "live-beside-load",
        _LOAD,
        "live events while a load waits",
        lambda on, of: loads.live(on, of.backlog, beside_load=True),
    ),
    Row("missed-page", _MISSED, "the first page of the list", lambda on, of: missed.first_page(on, of.missed)),
    Row("missed-requests", _MISSED, "requests for all", lambda on, of: missed.requests(on, of.missed)),
    Row("forgotten", _MISSED, "versions of as many keys forgotten", lambda on, of: versions.forgotten(on, of.missed)),
    Row("roll-up", _MISSED, "a month of a hundred shops rolled up", lambda on, _: ledger.roll_up(on)),
    Row(
        "faststream",
        _PEERS,
        "FastStream + asyncpg, as documented",
        lambda on, of: throughput.one_by_one(on, _few(of), "documented"),
    ),
    Row(
        "faststream-tuned",
        _PEERS,
        "FastStream + asyncpg, tuned",
        lambda on, of: throughput.one_by_one(on, _few(of), "tuned"),
    ),
    Row("dramatiq", _PEERS, "dramatiq, as documented", lambda on, of: throughput.tasks(on, _few(of), "dramatiq")),
    Row("celery", _PEERS, "Celery, as documented", lambda on, of: throughput.tasks(on, _few(of), "celery")),
    Row("latency", _WAITING, "200 events/s, publish to commit", lambda on, of: publish_to_commit(on, of.singles)),
    Row(
        "latency-beside-load",
        _WAITING,
        "the same beside a full load",
        lambda on, of: publish_to_commit(on, of.singles, 2 * of.backlog),
    ),
    Row("pause", _WAITING, "pause to reply, two busy workers", lambda on, of: pause_to_reply(on, of.backlog)),
    Row(
        "pause-muted",
        _WAITING,
        "pause to reply, one of two workers hangs",
        lambda on, _: pause_beside_a_hung_worker(on),
    ),
    Row("publish", _PUBLISH, "our publisher", lambda on, of: publishers.publisher(on, of.published, "ours")),
    Row(
        "publish-bare",
        _PUBLISH,
        "a bare loop on pika's SelectConnection",
        lambda on, of: publishers.publisher(on, of.published, "bare"),
    ),
    Row(
        "publish-command",
        _PUBLISH,
        "comporta publish FILE, validation and start included",
        lambda on, of: publishers.command(on, of.published),
    ),
    Row(
        "publish-aio-pika",
        _PUBLISH,
        "aio-pika, confirms gathered",
        lambda on, of: publishers.publisher(on, of.small_backlog, "aio-pika"),
    ),
    Row(
        "publish-kombu",
        _PUBLISH,
        "kombu with confirm_publish",
        lambda on, of: publishers.publisher(on, of.published_singly, "kombu"),
    ),
    Row(
        "publish-blocking",
        _PUBLISH,
        "pika's BlockingConnection",
        lambda on, of: publishers.publisher(on, of.published_singly, "blocking"),
    ),
    Row("orders-amqp", _ORDERS, "internalized over AMQP", lambda on, of: orders.internalized_by_amqp(on, of.orders)),
    Row("orders-http", _ORDERS, "internalized over HTTP", lambda on, of: orders.internalized_by_http(on, of.orders)),
    Row(
        "orders-latency",
        _ORDERS,
        "20 orders/s, placed to ERP",
        lambda on, of: orders.placed_to_erp(on, of.orders // 20),
    ),
    Row("orders-resume", _ORDERS, "resume's reply to first order at the ERP", lambda on, _: orders.resume_to_erp(on)),
    Row("embedded", "the embedded default", "one process on memory:// and SQLite", _embedded),
    Row("siege-silent", _PAGE, "beside 1,100 silent connections", lambda on, _: siege.silent(on)),
    Row("siege-chunks", _PAGE, "beside six bodies of one-byte chunks", lambda on, _: siege.chunks(on)),
    Row(
        "page-status", _PAGE, "/api/status, two busy workers", lambda on, of: page.status_beside_workers(on, of.backlog)
    ),
    Row("page-load", _PAGE, "first load to interactive", lambda on, _of: page.first_load(on)),
    Row("page-rest", _PAGE, "200 open pages, nothing happens", lambda on, _of: page.at_rest(on)),
    Row("search", _CROWD, "search and suggestions", lambda on, _of: crowd.search(on)),
    Row("status-command", _CROWD, "comporta status, start to end", lambda on, _of: crowd.status_command(on)),
    Row("help-command", _CROWD, "comporta --help, start to end", lambda on, _of: crowd.help_command(on)),
)
