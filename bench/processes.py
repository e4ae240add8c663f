"""Starts what is measured as real processes, and watches what they use."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO

import psutil

from bench.backlog import consumers
from bench.places import Place
from schemas.topology import event_queue

__all__ = [
    "STOCK",
    "Child",
    "Gauge",
    "MeasurementFailed",
    "ServersGauge",
    "await_consumers",
    "python",
    "running",
    "running_program",
    "wait_until",
]

STOCK = event_queue("stock")
_ROOT = Path(__file__).parents[1]
_STOP_SECONDS = 15.0
_PATIENCE = 60.0


class MeasurementFailed(RuntimeError):
    """What was measured ended, or did not come to an end, with the last lines it said."""


class Child:
    """A process that is measured; what it prints are counts of events that it has brought home.

    A line is a count, or the number of a process that it has started and the count of that one.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], errors: IO[bytes]) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("COMPORTA_")}
        self._errors = errors
        self._counts: dict[tuple[bytes, ...], int] = {}
        self._rest = b""
        self.process = subprocess.Popen(
            command,
            # Away from the project's folder, where a .env may lie.
            cwd=tempfile.gettempdir(),
            env=inherited | {"PYTHONPATH": str(_ROOT)} | dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)

    def count(self) -> int:
        """The newest number that it has printed, or the sum of the newest of those it has started."""
        assert self.process.stdout is not None
        *lines, self._rest = (self._rest + (self.process.stdout.read() or b"")).split(b"\n")
        for line in lines:
            *who, count = line.split()
            self._counts[tuple(who)] = max(int(count), self._counts.get(tuple(who), 0))
        return sum(self._counts.values())

    def require_alive(self) -> None:
        """Raises `MeasurementFailed` if it has ended."""
        if self.process.poll() is not None:
            raise MeasurementFailed(f"it ended with {self.process.returncode}; it said last:\n{self._said()}")

    def end(self) -> None:
        """Tells it to stop, and ends it if it does not."""
        self.process.terminate()
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            for process in _tree(self.process.pid):
                process.kill()
            self.process.wait()

    def _said(self) -> str:
        self._errors.seek(0)
        return "\n".join(self._errors.read().decode(errors="replace").splitlines()[-20:])


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module."""
    return [sys.executable, "-m", module, *arguments]


def running(
    place: Place, module: str, *arguments: str, copies: int = 1, environment: Mapping[str, str] | None = None
) -> AbstractContextManager[list[Child]]:
    """Runs a module on a place, in so many processes, and ends them."""
    return running_program(place, python(module, *arguments), copies=copies, environment=environment)


@contextmanager
def running_program(
    place: Place, command: Sequence[str], *, copies: int = 1, environment: Mapping[str, str] | None = None
) -> Iterator[list[Child]]:
    """Runs a command on a place, in so many processes, and ends them."""
    settings = {
        "COMPORTA_BROKER_URL": place.broker_url,
        "COMPORTA_DATABASE_URL": place.database_url,
        "COMPORTA_LOG_LEVEL": "WARNING",
        **(environment or {}),
    }
    children: list[Child] = []
    with tempfile.TemporaryFile() as errors:
        try:
            for _ in range(copies):
                children.append(Child(command, settings, errors))
            yield children
        finally:
            for child in children:
                child.end()


def await_consumers(place: Place, children: Sequence[Child], count: int, queue: str = STOCK) -> None:
    """Returns when so many consume; the stock events' queue is one that nobody who is measured leaves out."""

    def enough() -> bool:
        for child in children:
            child.require_alive()
        return consumers(place.broker_url, queue) >= count

    wait_until(enough, "the consumers")


def wait_until(is_so: Callable[[], bool], what: str, *, every: float = 0.02, patience: float = _PATIENCE) -> None:
    """Looks until it is so; raises `MeasurementFailed` after `patience` seconds."""
    deadline = time.monotonic() + patience
    while not is_so():
        if time.monotonic() > deadline:
            raise MeasurementFailed(f"waited {patience:g} s for {what}")
        time.sleep(every)


class Gauge:
    """What some processes, with those they have started, use from now on."""

    def __init__(self, children: Sequence[Child]) -> None:
        self._processes = [process for child in children for process in _tree(child.process.pid)]
        self._before = self._cpu()
        self._peaks = [0] * len(self._processes)

    @property
    def cpu_seconds(self) -> float:
        """User and system time of all of them since the gauge was set up."""
        return self._cpu() - self._before

    @property
    def peak_rss_mb(self) -> float:
        """The most memory (resident) that any one of them was seen with."""
        return max(self._peaks) / 2**20

    def sample(self) -> None:
        """Looks at the memory."""
        self._peaks = [
            max(peak, process.memory_info().rss) for peak, process in zip(self._peaks, self._processes, strict=True)
        ]

    def _cpu(self) -> float:
        times = [process.cpu_times() for process in self._processes]
        return sum(each.user + each.system for each in times)


class ServersGauge:
    """What servers use from now on; processes that they end in between are counted by their parents."""

    def __init__(self, pids: Sequence[int]) -> None:
        self._pids = pids
        self._before = self._cpu()

    @property
    def cpu_seconds(self) -> float:
        """User and system time of all of them since the gauge was set up."""
        return self._cpu() - self._before

    def _cpu(self) -> float:
        return sum(_seconds(process) for pid in self._pids for process in _tree(pid))


def _seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        # A server's child that has ended since it was listed: from now on its parent counts it.
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)


def _tree(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]
