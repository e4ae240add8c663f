"""Measured processes: start, progress, CPU and memory."""

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
_TIMEOUT_SECONDS = 60.0


class MeasurementFailed(RuntimeError):
    """Error: a measured process ended, or did not finish; the text has its last lines of output."""


class Child:
    """Measured process; it prints counts of finished events.

    A line is a count, or the pid of a child process and the count of that child.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], errors: IO[bytes]) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("COMPORTA_")}
        self._errors = errors
        self._counts: dict[tuple[bytes, ...], int] = {}
        self._rest = b""
        self.process = subprocess.Popen(
            command,
            # Outside the project's folder, which may hold a .env.
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
            *pid, count = line.split()
            self._counts[tuple(pid)] = max(int(count), self._counts.get(tuple(pid), 0))
        return sum(self._counts.values())

    def require_alive(self) -> None:
        """Raise `MeasurementFailed` if the process has ended."""
        if self.process.poll() is not None:
            raise MeasurementFailed(f"it ended with {self.process.returncode}; its last output:\n{self._last_lines()}")

    def end(self) -> None:
        """Terminate the process, and kill it if it does not stop."""
        self.process.terminate()
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            for process in _tree(self.process.pid):
                process.kill()
            self.process.wait()

    def _last_lines(self) -> str:
        self._errors.seek(0)
        return "\n".join(self._errors.read().decode(errors="replace").splitlines()[-20:])


def python(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module."""
    return [sys.executable, "-m", module, *arguments]


def running(
    place: Place, module: str, *arguments: str, copies: int = 1, environment: Mapping[str, str] | None = None
) -> AbstractContextManager[list[Child]]:
    """Run a module on a place in `copies` processes; end them on exit."""
    return running_program(place, python(module, *arguments), copies=copies, environment=environment)


@contextmanager
def running_program(
    place: Place, command: Sequence[str], *, copies: int = 1, environment: Mapping[str, str] | None = None
) -> Iterator[list[Child]]:
    """Run a command on a place in `copies` processes; end them on exit."""
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
    """Return when `count` consumers are connected; every measured program consumes the stock events' queue."""

    def enough() -> bool:
        for child in children:
            child.require_alive()
        return consumers(place.broker_url, queue) >= count

    wait_until(enough, "the consumers")


def wait_until(
    condition: Callable[[], bool], what: str, *, every: float = 0.02, timeout: float = _TIMEOUT_SECONDS
) -> None:
    """Poll until a condition holds; raise `MeasurementFailed` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise MeasurementFailed(f"waited {timeout:g} s for {what}")
        time.sleep(every)


class Gauge:
    """Gauge of the CPU and memory of processes and their children, from its creation on."""

    def __init__(self, children: Sequence[Child]) -> None:
        self._processes = [process for child in children for process in _tree(child.process.pid)]
        self._before = self._cpu()
        self._peaks = [0] * len(self._processes)

    @property
    def cpu_seconds(self) -> float:
        """User and system time of all processes since the gauge was created, in seconds."""
        return self._cpu() - self._before

    @property
    def peak_rss_mb(self) -> float:
        """Peak resident memory of any one process, in MiB."""
        return max(self._peaks) / 2**20

    def sample(self) -> None:
        """Sample the memory."""
        self._peaks = [
            max(peak, process.memory_info().rss) for peak, process in zip(self._peaks, self._processes, strict=True)
        ]

    def _cpu(self) -> float:
        times = [process.cpu_times() for process in self._processes]
        return sum(spent.user + spent.system for spent in times)


class ServersGauge:
    """Gauge of the CPU of servers, from its creation on; their parents count the children that end meanwhile."""

    def __init__(self, pids: Sequence[int]) -> None:
        self._pids = pids
        self._before = self._cpu()

    @property
    def cpu_seconds(self) -> float:
        """User and system time of all processes since the gauge was created, in seconds."""
        return self._cpu() - self._before

    def _cpu(self) -> float:
        return sum(_seconds(process) for pid in self._pids for process in _tree(pid))


def _seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        # A server's child that has ended since it was listed: its parent counts it from now on.
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)


def _tree(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]
