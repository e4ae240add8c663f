"""Supervisor of worker processes: restarts the ones that die and passes on the stop."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Sequence
from multiprocessing.process import BaseProcess

import structlog

from comporta.runtime.logs import configure_logs
from comporta.runtime.monitor_server import check_ports
from comporta.runtime.process import run_process
from comporta.runtime.settings import Settings, SettingsError
from comporta.runtime.threads import STOP_SECONDS, stop_on_signals
from storage.database import open_database
from storage.errors import SchemaOutdated, StorageError, Unavailable

__all__ = ["run_processes"]

log = structlog.get_logger(__name__)

_POLL_SECONDS = 0.2
# The pause before a restart doubles while workers keep dying, and starts over after a quiet minute.
_FIRST_PAUSE, _LONGEST_PAUSE, _QUIET_SECONDS = 0.5, 30.0, 60.0


def run_processes(settings: Settings, domains: Sequence[str], count: int) -> int:
    """Keep `count` workers running until a signal; return the exit code.

    With METRICS_PORT each worker has a port of its own: that one and the ones after it. Raises `SettingsError` if one
    of them is taken.
    """
    configure_logs(settings.log_level, settings.log_format)
    children = [_worker_settings(settings, position) for position in range(count)]
    check_ports(settings.metrics_host, (child.metrics_port for child in children if child.metrics_port is not None))
    stop = threading.Event()
    stop_on_signals(stop)
    _check_schema(settings)
    context = multiprocessing.get_context("spawn")

    def start(position: int) -> BaseProcess:
        process = context.Process(target=_run_worker, args=(children[position], domains), name="comporta worker")
        process.start()
        return process

    workers = [start(position) for position in range(count)]
    pause, last_death = _FIRST_PAUSE, 0.0
    while not stop.wait(_POLL_SECONDS):
        for position, worker in enumerate(workers):
            if worker.is_alive():
                continue
            recently = time.monotonic() - last_death < _QUIET_SECONDS
            pause, last_death = min(2 * pause, _LONGEST_PAUSE) if recently else _FIRST_PAUSE, time.monotonic()
            log.error("worker process died", pid=worker.pid, exit_code=worker.exitcode, another_in_seconds=pause)
            if not stop.wait(pause):
                workers[position] = start(position)
    return _stop(workers)


def _check_schema(settings: Settings) -> None:
    """Raise `SchemaOutdated` before a worker is started; for a database that is away the workers wait, and log it."""
    database = open_database(settings.database_url)
    try:
        database.require_current()
    except SchemaOutdated:
        # The first worker creates the tables of SQLite.
        if not database.is_sqlite:
            raise
    except Unavailable as error:
        log.warning("database away", error=str(error))
    finally:
        database.close()


def _worker_settings(settings: Settings, position: int) -> Settings:
    if settings.metrics_port is None:
        return settings
    return settings.model_copy(update={"metrics_port": settings.metrics_port + position})


def _stop(workers: Sequence[BaseProcess]) -> int:
    for worker in workers:
        worker.terminate()
    deadline = time.monotonic() + STOP_SECONDS + 0.5
    for worker in workers:
        worker.join(max(0.0, deadline - time.monotonic()))
        if worker.is_alive():
            log.warning("worker process killed: it did not stop in time", pid=worker.pid)
            worker.kill()
    return 0


def _run_worker(settings: Settings, domains: Sequence[str]) -> None:
    # In its own process group: Ctrl-C reaches the parent alone, which passes it on once.
    os.setpgrp()
    try:
        code = run_process(settings, domains)
    except (SettingsError, StorageError) as error:
        log.error("worker process can't start", error=str(error))
        code = 1
    raise SystemExit(code)
