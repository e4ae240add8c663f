"""One process: the worker, and beside it the page's server where that is wanted."""

from __future__ import annotations

import gc
import multiprocessing
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_when_event_set, wait_random_exponential
from tenacity.nap import sleep_using_event

from broker.link import masked as masked_broker
from control.lifecycle import Loops, stop_on_signals
from control.logs import configure_logs
from control.settings import Settings
from control.web.app import Doors
from control.web.server import WebServer
from control.wiring import Parts, assemble
from producers.publisher import Publisher
from storage.database import Database, open_database
from storage.engine import masked as masked_database
from storage.errors import SchemaOutdated, Unavailable

__all__ = ["Running", "run_process", "run_until", "wait_for_schema"]

log = structlog.get_logger(__name__)

# Who asks over HTTP does not wait for long: 503, and the same again later.
_HTTP_DEADLINE = 5.0


def run_process(settings: Settings, domains: Sequence[str], *, with_web: bool) -> int:
    """Runs a worker until a signal; returns the exit code."""
    stop = threading.Event()
    stop_on_signals(stop)
    parent = multiprocessing.parent_process()
    wanted: Callable[[], bool] = (lambda: parent.is_alive()) if parent is not None else (lambda: True)
    return run_until(settings, domains, stop, with_web=with_web, wanted=wanted)


@dataclass(frozen=True, slots=True)
class Running:
    """What a process runs, for whatever runs beside it: the port is that of the page, 0 without one."""

    database: Database
    parts: Parts
    port: int


def run_until(
    settings: Settings,
    domains: Sequence[str],
    stop: threading.Event,
    *,
    with_web: bool,
    wanted: Callable[[], bool] = lambda: True,
    beside: Callable[[Running], Mapping[str, Callable[[], None]]] = lambda _running: {},
) -> int:
    """Runs a worker until `stop` is set or `wanted` says no; returns the exit code."""
    configure_logs(settings.log_level, settings.log_format)
    database = open_database(settings.database_url, timedelta(seconds=settings.receipt_timeout))
    if not wait_for_schema(database, stop):
        return 0
    _spare_the_collector()
    parts = assemble(settings, database, domains, stop)
    loops = Loops(stop)
    publisher = Publisher(settings.broker_url, name="events", deadline=_HTTP_DEADLINE) if with_web else None
    web = WebServer(settings, _doors(database, parts, loops, publisher)) if publisher else None
    for name, run in parts.loops.items():
        loops.start(name, run)
    if web is not None:
        loops.start("web", web.run)
    log.info(
        "started",
        worker=parts.worker_id,
        pid=os.getpid(),
        domains=list(domains),
        broker=masked_broker(settings.broker_url),
        database=masked_database(settings.database_url),
    )
    for name, run in beside(Running(database, parts, web.port if web else 0)).items():
        loops.start(name, run)
    loops.wait(wanted)
    log.info("stopping", worker=parts.worker_id)
    if web is not None:
        web.stop()
    loops.join()
    if publisher is not None:
        publisher.close()
    database.close()
    log.info("stopped", worker=parts.worker_id, failed=loops.failed)
    return 1 if loops.failed else 0


def _doors(database: Database, parts: Parts, loops: Loops, publisher: Publisher) -> Doors:
    return Doors(
        views=database.views,
        switchboard=parts.switchboard,
        alive=lambda: loops.alive,
        publish=lambda messages: list(publisher.publish_all(messages)),
        foresee=database.foresight.outcomes,
        retry_order=database.retry_order,
    )


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
        error = state.outcome.exception() if state.outcome else None
        log.warning("database away", error=str(error), next_try_seconds=round(state.upcoming_sleep, 1))

    retrying = Retrying(
        retry=retry_if_exception(_may_pass),
        wait=wait_random_exponential(multiplier=0.5, max=10),
        stop=stop_when_event_set(stop),
        sleep=sleep_using_event(stop),
        before_sleep=report,
        reraise=True,
    )
    try:
        retrying(attempt)
    except SchemaOutdated:
        raise
    except Unavailable:
        return False
    return True


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, Unavailable) and not isinstance(error, SchemaOutdated)
