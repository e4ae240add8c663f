"""How fast a backlog is worked off: by one worker and two, switched off, by a bare loop, by the usual way."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

from bench.places import Place, Servers, accounted, held_back
from bench.processes import Child, Gauge, MeasurementFailed, ServersGauge, await_consumers, running
from bench.results import Figures
from schemas.control import Command, ControlMessage
from storage.database import open_database
from storage.switchboard import Switchboard

__all__ = ["bare", "discarding", "one_by_one", "workers"]

_PATIENCE = 600.0
_LOOK_SECONDS = 0.03


def workers(servers: Servers, backlog: int, processes: int) -> Figures:
    """A worker of so many processes; what it has done is what its ledger says."""
    with servers.place(backlog) as place:
        return _worked_off(place, backlog, processes)


def discarding(servers: Servers, backlog: int) -> Figures:
    """A worker of one process with everything switched off."""
    with servers.place(backlog) as place:
        _switch_off(place)
        return _worked_off(place, backlog, 1)


def bare(servers: Servers, backlog: int, processes: int) -> Figures:
    """The bare loop, in so many processes."""
    with servers.place(backlog) as place, running(place, "bench.peers.bare", copies=processes) as children:
        return _timed(place, children, backlog, processes, partial(_printed, children))


def one_by_one(servers: Servers, backlog: int, how: str) -> Figures:
    """FastStream and asyncpg in one process, `documented` or `tuned`."""
    with servers.place(backlog) as place, running(place, "bench.peers.one_by_one", how) as children:
        return _timed(place, children, backlog, 1, partial(_printed, children))


def _worked_off(place: Place, backlog: int, processes: int) -> Figures:
    arguments = ("worker", "--processes", str(processes))
    with running(place, "control", *arguments) as children, place.query() as database:
        return _timed(place, children, backlog, processes, partial(accounted, database))


def _timed(place: Place, children: Sequence[Child], backlog: int, processes: int, done: Callable[[], int]) -> Figures:
    """From the moment the fence opens, with everybody connected, to the last event's commit."""
    with held_back(place):
        await_consumers(place, children, processes)
        if done():
            raise MeasurementFailed("it did not wait at the fence")
        gauge, others = Gauge(children), ServersGauge(place.server_pids)
    started = time.perf_counter()
    _await(backlog, children, gauge, done)
    seconds = time.perf_counter() - started
    return {
        "events": backlog,
        "events_per_second": backlog / seconds,
        "cpu_us_per_event": 1e6 * gauge.cpu_seconds / backlog,
        "servers_cpu_us_per_event": 1e6 * others.cpu_seconds / backlog,
        "peak_rss_mb": gauge.peak_rss_mb,
    }


def _await(backlog: int, children: Sequence[Child], gauge: Gauge, done: Callable[[], int]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while (count := done()) < backlog:
        if time.monotonic() > deadline:
            raise MeasurementFailed(f"only {count} of {backlog} events were accounted for within {_PATIENCE:g} s")
        for child in children:
            child.require_alive()
        gauge.sample()
        time.sleep(_LOOK_SECONDS)
    if count != backlog:
        raise MeasurementFailed(f"{count} events were accounted for, {backlog} were published")


def _printed(children: Sequence[Child]) -> int:
    return sum(child.count() for child in children)


def _switch_off(place: Place) -> None:
    database = open_database(place.database_url)
    try:
        message = ControlMessage(reason="measuring how fast is discarded")
        Switchboard(database.fence, lambda _: None).change(Command("pause", message, "bench"))
    finally:
        database.close()
