"""One process: a worker, a web server, or both, from start to stop."""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import structlog
from prometheus_client import CollectorRegistry
from tenacity import RetryCallState

from broker.connection import masked as masked_broker
from broker.retry import failure, retry_until
from comporta.runtime.bootstrap import Components, build_admin, build_worker
from comporta.runtime.health import Monitor, monitor_for
from comporta.runtime.logging import configure_logs
from comporta.runtime.metrics import WorkMetrics
from comporta.runtime.monitor_server import MonitorServer
from comporta.runtime.settings import Settings
from comporta.runtime.threads import STALL_SECONDS, ThreadGroup, stop_on_signals
from control.switchboard import Switchboard
from storage.database import Database, open_database
from storage.engine import masked as masked_database
from storage.errors import SchemaOutdated, Unavailable

__all__ = ["Host", "Running", "Serve", "Server", "Web", "run_process", "run_until", "wait_for_schema"]

log = structlog.get_logger(__name__)

# How long a thread may keep the others waiting. Python's 5 ms are too long beside a worker at full speed: who obeys
# a pause needs the interpreter after every round trip.
_TURN_SECONDS = 0.0005


@dataclass(frozen=True, slots=True)
class Host:
    """What a process offers its web server; `work` has the metrics of its worker, None without one."""

    settings: Settings
    database: Database
    switchboard: Switchboard
    monitor: Monitor
    work: CollectorRegistry | None


class Server(Protocol):
    """A web server in a thread of the process; `link` logs its holder in, where there are no operators."""

    port: int
    link: str | None

    def run(self) -> None:
        """Serve until stopped."""

    def stop(self) -> None:
        """End `run`."""

    def close(self) -> None:
        """Release what the server holds, once `run` has ended."""


# Two steps: the first checks the settings, before the database is waited for.
Serve = Callable[[Host], Server]
Web = Callable[[Settings], Serve]


def run_process(
    settings: Settings, domains: Sequence[str], web: Web | None = None, *, stall_seconds: float = STALL_SECONDS
) -> int:
    """Run a worker for these domains (for none: no worker) until a signal; return the exit code."""
    stop = threading.Event()
    stop_on_signals(stop)
    parent = multiprocessing.parent_process()
    wanted: Callable[[], bool] = (lambda: parent.is_alive()) if parent is not None else (lambda: True)
    return run_until(settings, domains, stop, web, wanted=wanted, beside=_show_link, stall_seconds=stall_seconds)


def _show_link(running: Running) -> Mapping[str, Callable[[], None]]:
    # On the terminal and never in the log: whoever has it may act.
    if running.link is not None:
        try:
            print(f"Open {running.link}", flush=True)
        except OSError as error:
            log.warning("the link to the page can't be shown", error=error.strerror)
    return {}


@dataclass(frozen=True, slots=True)
class Running:
    """What a process runs, for whatever runs beside it: the port is that of the page, 0 without one.

    The link lets its holder in, where there are no operators.
    """

    database: Database
    parts: Components
    port: int
    link: str | None


def run_until(
    settings: Settings,
    domains: Sequence[str],
    stop: threading.Event,
    web: Web | None = None,
    *,
    wanted: Callable[[], bool] = lambda: True,
    beside: Callable[[Running], Mapping[str, Callable[[], None]]] = lambda _running: {},
    stall_seconds: float = STALL_SECONDS,
) -> int:
    """Run a worker until `stop` is set or `wanted` says no; return the exit code.

    A loop that has not turned for `stall_seconds` makes the process unhealthy.
    """
    configure_logs(settings.log_level, settings.log_format)
    serve = None if web is None else web(settings)
    database = open_database(settings.database_url, timedelta(seconds=settings.receipt_timeout))
    loops, metrics = ThreadGroup(stop, stall_seconds), WorkMetrics()
    work = metrics.registry if domains else None
    monitor = monitor_for(settings.broker_url, database, loops.unhealthy, work, with_gauges=serve is not None)
    # Before the database is waited for: who waits is well.
    monitoring = _monitoring(settings, monitor) if serve is None else None
    if monitoring is not None:
        loops.start("monitoring", monitoring.run)
    if not wait_for_schema(database, stop):
        return 0
    _spare_the_collector()
    sys.setswitchinterval(_TURN_SECONDS)
    if domains:
        parts = build_worker(settings, database, domains, loops.pulse, metrics.observe)
    else:
        parts = build_admin(settings, database, loops.pulse)
    server = None if serve is None else serve(Host(settings, database, parts.switchboard, monitor, work))
    for name, run in parts.loops.items():
        loops.start(name, run)
    if server is not None:
        loops.start("web", server.run)
    log.info(
        "started",
        worker=parts.worker_id,
        pid=os.getpid(),
        domains=list(domains),
        broker=masked_broker(settings.broker_url),
        database=masked_database(settings.database_url),
    )
    running = Running(database, parts, server.port if server else 0, server.link if server else None)
    for name, run in beside(running).items():
        loops.start(name, run)
    loops.wait(wanted)
    log.info("stopping", worker=parts.worker_id)
    for listening in (server, monitoring):
        if listening is not None:
            listening.stop()
    loops.join()
    if server is not None:
        server.close()
    database.close()
    log.info("stopped", worker=parts.worker_id, failed=loops.failed)
    return 1 if loops.failed else 0


def _monitoring(settings: Settings, monitor: Monitor) -> MonitorServer | None:
    port = settings.metrics_port
    return None if port is None else MonitorServer(settings.metrics_host, port, monitor)


def _spare_the_collector() -> None:
    # What is loaded by now stays; and a batch is thousands of objects, none of them in a cycle.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def wait_for_schema(database: Database, stop: threading.Event) -> bool:
    """Waits until the database answers with a current schema (SQLite's is made); False if told to stop first.

    Raises `SchemaOutdated` if the schema is not this program's: no waiting makes it so.
    """

    def attempt() -> None:
        if database.is_sqlite:
            database.migrate()
        database.require_current()

    def report(state: RetryCallState) -> None:
        error, wait = failure(state)
        log.warning("database away", error=error, next_try_seconds=wait)

    retrying = retry_until(stop, Unavailable, final=SchemaOutdated, report=report)
    try:
        retrying(attempt)
    except SchemaOutdated:
        raise
    except Unavailable:
        return False
    return True
