"""Process from start to stop: a worker, a web server, or both."""

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
from tenacity import RetryCallState

from broker.connection import masked as masked_broker
from broker.queues import QueueProbe
from broker.retry import failure, retry_until
from comporta.runtime.bootstrap import Components, build_admin, build_worker
from comporta.runtime.health import Monitor, monitor_for
from comporta.runtime.http.limits import HttpLimits
from comporta.runtime.login_link import print_login_link
from comporta.runtime.logs import configure_logs
from comporta.runtime.metrics import RecentLags, WorkMetrics
from comporta.runtime.monitor_server import MonitorServer
from comporta.runtime.settings import Settings
from comporta.runtime.threads import STALL_SECONDS, ThreadGroup, stop_on_signals
from consumers.queue_watch import QueueWatch
from control.auth.local_token import delete_local_link
from control.switchboard import Switchboard
from storage.database import Database, open_database
from storage.engine import masked as masked_database
from storage.errors import SchemaOutdated, Unavailable

__all__ = ["Host", "Running", "Serve", "Server", "Web", "run_process", "run_until", "wait_for_schema"]

log = structlog.get_logger(__name__)

# Interval after which a thread gives up the interpreter to another. Python's 5 ms are too long beside a worker at full
# speed: the control consumer, which carries out a pause, needs the interpreter after every round trip.
_SWITCH_SECONDS = 0.0005


@dataclass(frozen=True, slots=True)
class Host:
    """Parts of a process that its web server uses."""

    settings: Settings
    database: Database
    switchboard: Switchboard
    monitor: Monitor


class Server(Protocol):
    """Web server in a thread of the process; where there are no operators, `link` is the address that logs in."""

    port: int
    link: str | None

    def run(self) -> None:
        """Serve until stopped."""

    def stop(self) -> None:
        """End `run`."""

    def close(self) -> None:
        """Release what the server holds, once `run` has ended."""


# Two steps: the first checks the settings, before the process waits for the database.
Serve = Callable[[Host], Server]
Web = Callable[[Settings], Serve]


def run_process(
    settings: Settings, domains: Sequence[str], web: Web | None = None, *, stall_seconds: float = STALL_SECONDS
) -> int:
    """Run a worker for these domains (without domains no worker) until a signal; return the exit code."""
    stop = threading.Event()
    stop_on_signals(stop)
    parent = multiprocessing.parent_process()
    keep_running: Callable[[], bool] = (lambda: parent.is_alive()) if parent is not None else (lambda: True)
    return run_until(
        settings,
        domains,
        stop,
        web,
        keep_running=keep_running,
        extra_threads=_print_link,
        stall_seconds=stall_seconds,
    )


def _print_link(running: Running) -> Mapping[str, Callable[[], None]]:
    if running.link is not None:
        print_login_link(running.link, running.port, sys.stdout)
    return {}


@dataclass(frozen=True, slots=True)
class Running:
    """Running process, as its extra threads see it.

    `port` is that of the page, 0 without one; `link` is the address that logs in where there are no operators.
    """

    database: Database
    components: Components
    port: int
    link: str | None


def run_until(
    settings: Settings,
    domains: Sequence[str],
    stop: threading.Event,
    web: Web | None = None,
    *,
    keep_running: Callable[[], bool] = lambda: True,
    extra_threads: Callable[[Running], Mapping[str, Callable[[], None]]] = lambda _running: {},
    stall_seconds: float = STALL_SECONDS,
) -> int:
    """Run a process until `stop` is set or `keep_running` returns False; return the exit code.

    `extra_threads` returns further loops by name, once the others have started. A loop that has not
    turned for `stall_seconds` makes the process unhealthy.
    """
    configure_logs(settings.log_level, settings.log_format)
    serve = None if web is None else web(settings)
    database = open_database(
        settings.database_url,
        timedelta(seconds=settings.receipt_timeout),
        timedelta(seconds=settings.clock_ahead),
        settings.shop_rules,
        settings.database_login,
    )
    loops, metrics = ThreadGroup(stop, stall_seconds), WorkMetrics(settings.metrics_shops)
    work = metrics.registry if domains else None
    partitions = settings.partition_layout
    queues = QueueWatch(QueueProbe(settings.broker_url), database.queues, loops.pulse("queues"), partitions)
    monitor = monitor_for(
        settings.broker_url,
        database,
        loops.unhealthy,
        work,
        queues.last,
        domains,
        with_gauges=serve is not None,
        disk_minimum=settings.disk_free_mb * 1_000_000,
        most_shops=settings.metrics_shops,
        partitions=partitions,
    )
    # Started before the wait for the database: a process that waits is healthy and must answer so.
    monitor_server = _monitor_server(settings, monitor) if serve is None else None
    if monitor_server is not None:
        loops.start("monitoring", monitor_server.run)
    if not wait_for_schema(database, stop):
        return 0
    _tune_garbage_collector()
    sys.setswitchinterval(_SWITCH_SECONDS)
    if domains:
        lags = RecentLags(metrics.lag).read
        components = build_worker(settings, database, domains, loops.pulse, metrics.observe, lags)
    else:
        components = build_admin(settings, database, loops.pulse)
    server = None if serve is None else serve(Host(settings, database, components.switchboard, monitor))
    for name, run in {**components.loops, "queues": queues.run}.items():
        loops.start(name, run)
    if server is not None:
        loops.start("web", server.run)
    log.info(
        "started",
        worker=components.worker_id,
        pid=os.getpid(),
        domains=list(domains),
        broker=masked_broker(settings.broker_url),
        database=masked_database(settings.database_url),
    )
    running = Running(database, components, server.port if server else 0, server.link if server else None)
    for name, run in extra_threads(running).items():
        loops.start(name, run)
    loops.wait(keep_running)
    log.info("stopping", worker=components.worker_id)
    for listener in (server, monitor_server):
        if listener is not None:
            listener.stop()
    loops.join()
    if server is not None:
        server.close()
        if server.link is not None:
            delete_local_link(server.port, server.link)
    database.close()
    log.info("stopped", worker=components.worker_id, failed=loops.failed)
    return 1 if loops.failed else 0


def _monitor_server(settings: Settings, monitor: Monitor) -> MonitorServer | None:
    port = settings.metrics_port
    return None if port is None else MonitorServer(settings.metrics_host, port, monitor, HttpLimits.of(settings))


def _tune_garbage_collector() -> None:
    # Objects loaded by now live as long as the process, and a batch makes thousands of objects without a cycle:
    # searching them for cycles would only take time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def wait_for_schema(database: Database, stop: threading.Event) -> bool:
    """Wait until the database answers and its schema is current; return False if `stop` is set first.

    Creates the schema of SQLite. Raises `SchemaOutdated` at once if the schema is another version's: waiting would not
    change it.
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
