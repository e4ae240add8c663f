"""Starts and ends the servers' processes: each by the id it was started with, none left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import psutil

__all__ = [
    "Endable",
    "NotOurs",
    "Process",
    "Service",
    "ServiceFailed",
    "ServiceMissing",
    "data_folder",
    "end",
    "remove",
    "spawn",
    "temporary_root",
    "wait_ready",
]

Process = subprocess.Popen[bytes]


class Endable(Protocol):
    """Process that can be told to end and waited for."""

    def poll(self) -> int | None:
        """Return the exit code; None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; raise `subprocess.TimeoutExpired` after so many seconds."""

    def send_signal(self, number: int, /) -> None:
        """Send it a signal."""

    def kill(self) -> None:
        """Kill it."""


_MEMORY = Path("/dev/shm")
_ROOMY = 2 * 1024**3


class ServiceMissing(Exception):
    """A server is neither installed nor named by a setting."""

    def __init__(self, service: str, setting: str) -> None:
        super().__init__(f"{service} is not installed: run `make services`, or start one and name it with {setting}")


class ServiceFailed(Exception):
    """A server did not start; the text ends with what it said last."""


class NotOurs(Exception):
    """A test wants to stop a server that somebody else started."""

    def __init__(self, service: str, setting: str) -> None:
        super().__init__(f"this test stops and starts {service}: run `make services` and unset {setting}")


class Service:
    """A server that the tests may use; only those that started it may stop it."""

    name: str
    setting: str

    def open(self) -> None:
        """Make it ready for the tests."""
        raise NotImplementedError

    def close(self) -> None:
        """Leave nothing of the tests behind."""
        raise NotImplementedError

    def start(self) -> None:
        """Start the server, or start it again, and return when it takes connections."""
        raise self._not_ours()

    def stop(self) -> None:
        """Stop the server in an orderly way; clients lose their connections."""
        raise self._not_ours()

    def _not_ours(self) -> NotOurs:
        return NotOurs(self.name, self.setting)


def data_folder(name: str) -> Path:
    """A new folder for a server's data; what killed tests have left of theirs is removed."""
    root = temporary_root() or Path(tempfile.gettempdir())
    for left in root.glob("comporta-*-by-*"):
        if not psutil.pid_exists(int(left.name.split("-")[-2])):
            remove(left)
    return Path(tempfile.mkdtemp(prefix=f"comporta-{name}-by-{os.getpid()}-", dir=root))


def temporary_root() -> Path | None:
    """Where folders are made: in memory where there is room, since no test pulls the machine's plug; else None.

    A database is 300 files that come and go with a test, and ext4 looks long for inodes that were not just deleted.
    """
    roomy = os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ROOMY
    return _MEMORY if roomy else None


def remove(folder: Path) -> None:
    """Remove a server's data."""
    shutil.rmtree(folder, ignore_errors=True)


def spawn(
    command: Sequence[str | Path],
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    user: int | None = None,
    group: int | None = None,
) -> Process:
    """Start a server in a session of its own, so that Ctrl-C reaches the tests alone."""
    with log.open("ab") as output:
        return subprocess.Popen(
            [*_dies_with_us(), *command],
            env=environment,
            user=user,
            group=group,
            extra_groups=None if user is None else [],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            start_new_session=True,
        )


def end(process: Endable, how: signal.Signals, *, patience: float = 30.0) -> None:
    """Send a signal and wait for the end; kill what has not ended in time."""
    if process.poll() is None:
        process.send_signal(how)
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_ready(process: Process, is_ready: Callable[[], bool], *, name: str, log: Path, patience: float = 60.0) -> None:
    """Wait until a server answers; raise `ServiceFailed` when it ends before that or takes too long."""
    deadline = time.monotonic() + patience
    while not is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            end(process, signal.SIGKILL)
            said = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
            raise ServiceFailed(f"{name} did not start; it said:\n{said}")
        time.sleep(0.02)


def _dies_with_us() -> Sequence[str]:
    # For when the tests themselves are killed. Linux ties this to the thread that starts the server,
    # so that one started by a passing thread would go with that.
    setpriv = shutil.which("setpriv")
    if setpriv is None or threading.current_thread() is not threading.main_thread():
        return ()
    return (setpriv, "--pdeathsig", "KILL", "--")
