"""Throughput on a backlog: our workers, switched off, a bare loop, Go, the usual ways."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Protocol

import psycopg

from bench.events import Backlog
from bench.peers.tasks import TASK_PEERS
from bench.places import Place, Servers, accounted, held_back
from bench.processes import (
    STOCK,
    Child,
    Gauge,
    MeasurementFailed,
    ServersGauge,
    await_consumers,
    running,
    running_program,
)
from bench.reference import build
from bench.results import Figures
from bench.written import WrittenWrong, require_written
from control.switchboard import Switchboard
from schemas.control import Command, ControlMessage
from storage.database import open_database

__all__ = ["Sized", "Watch", "bare", "discarding", "one_by_one", "reference", "run_worker", "tasks", "workers"]

_TIMEOUT_SECONDS = 600.0
_POLL_SECONDS = 0.03


class Sized(Protocol):
    """A backlog of so many messages."""

    @property
    def count(self) -> int:
        """Return the number of messages."""


Watch = Callable[[Sequence[Child]], AbstractContextManager[None]]


def workers(servers: Servers, backlog: Backlog, processes: int, watch: Watch | None = None) -> Figures:
    """Measure a worker of `processes` processes; progress is the count in its ledger."""
    with servers.loaded(backlog) as place:
        figures = run_worker(place, backlog, processes, watch)
        return _checked(servers, place, backlog, figures)


def discarding(servers: Servers, backlog: Backlog) -> Figures:
    """Measure a worker of one process with everything switched off."""
    with servers.loaded(backlog) as place:
        _switch_off(place)
        return run_worker(place, backlog, 1)


def bare(servers: Servers, backlog: Backlog, processes: int) -> Figures:
    """Measure the bare loop in `processes` processes."""
    with servers.loaded(backlog) as place:
        figures = _timed(place, running(place, "bench.peers.bare", copies=processes), backlog, processes)
        return _checked(servers, place, backlog, figures)


def reference(servers: Servers, backlog: Backlog, processes: int) -> Figures:
    """Measure the Go reference in `processes` processes; raise `LeftOut` if Go is missing."""
    command = [str(build())]
    with servers.loaded(backlog) as place:
        figures = _timed(place, running_program(place, command, copies=processes), backlog, processes)
        with place.query() as database:
            if (count := accounted(database)) != backlog.count:
                raise MeasurementFailed(f"its ledger accounts for {count} of {backlog.count} events")
        return _checked(servers, place, backlog, figures)


def one_by_one(servers: Servers, backlog: Backlog, variant: str) -> Figures:
    """Measure FastStream and asyncpg in one process, `documented` or `tuned`."""
    with servers.loaded(backlog) as place:
        figures = _timed(place, running(place, "bench.peers.one_by_one", variant), backlog, 1)
        return _checked(servers, place, backlog, figures)


def tasks(servers: Servers, backlog: Backlog, name: str) -> Figures:
    """Measure `dramatiq` or `celery`, started as its documentation shows, on messages of its own."""
    peer = TASK_PEERS[name]
    with servers.place() as place, peer.filled(place, backlog) as queue:
        figures = _timed(place, running(place, *peer.command), backlog, peer.consumers, queue=queue)
        return _checked(servers, place, backlog, figures)


def run_worker(
    place: Place,
    backlog: Sized,
    processes: int,
    watch: Watch | None = None,
    done: Callable[[psycopg.Connection], int] = accounted,
    environment: Mapping[str, str] | None = None,
) -> Figures:
    """Measure a worker of `processes` processes on a place; `done` counts the events that are finished."""
    arguments = ("worker", "--processes", str(processes))
    starting = running(place, "comporta", *arguments, environment=environment)
    with place.query() as database:
        return _timed(place, starting, backlog, processes, progress=lambda _: done(database), watch=watch)


def _printed(children: Sequence[Child]) -> int:
    return sum(child.count() for child in children)


def _timed(
    place: Place,
    starting: AbstractContextManager[list[Child]],
    backlog: Sized,
    consuming: int,
    *,
    queue: str = STOCK,
    progress: Callable[[Sequence[Child]], int] = _printed,
    watch: Watch | None = None,
) -> Figures:
    """Measure from the opening of the fence, with all consumers connected, to the last event's commit."""
    with ExitStack() as stack:
        # Held before the processes start: Go consumes within milliseconds.
        with held_back(place):
            children = stack.enter_context(starting)
            await_consumers(place, children, consuming, queue)
            if progress(children):
                raise MeasurementFailed("it did not wait at the fence")
            if watch is not None:
                stack.enter_context(watch(children))
            gauge, servers_gauge = Gauge(children), ServersGauge(place.server_pids)
        started = time.perf_counter()
        _await(backlog.count, children, gauge, progress)
        seconds = time.perf_counter() - started
        return {
            "events": backlog.count,
            "events_per_second": backlog.count / seconds,
            "cpu_us_per_event": 1e6 * gauge.cpu_seconds / backlog.count,
            "servers_cpu_us_per_event": 1e6 * servers_gauge.cpu_seconds / backlog.count,
            "peak_rss_mb": gauge.peak_rss_mb,
        }


def _await(backlog: int, children: Sequence[Child], gauge: Gauge, progress: Callable[[Sequence[Child]], int]) -> None:
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while (count := progress(children)) < backlog:
        if time.monotonic() > deadline:
            raise MeasurementFailed(f"only {count} of {backlog} events were accounted for in {_TIMEOUT_SECONDS:g} s")
        for child in children:
            child.require_alive()
        gauge.sample()
        time.sleep(_POLL_SECONDS)
    if count != backlog:
        raise MeasurementFailed(f"{count} events were accounted for, {backlog} were published")


def _checked(servers: Servers, place: Place, backlog: Backlog, figures: Figures) -> Figures:
    try:
        require_written(servers.database, place.database_url, backlog)
    except WrittenWrong as error:
        raise MeasurementFailed(str(error)) from error
    return figures


def _switch_off(place: Place) -> None:
    database = open_database(place.database_url)
    try:
        message = ControlMessage(reason="measuring how fast is discarded")
        Switchboard(database.fence, lambda _: None).change(Command("pause", message, "bench"))
    finally:
        database.close()
