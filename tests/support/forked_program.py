"""Programs forked from a template process, with the methods of `subprocess.Popen` that tests use."""

from __future__ import annotations

import atexit
import functools
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.program_template import MAX_REQUEST
from tests.support.services.processes import end, spawn, wait_ready

__all__ = ["ForkedProgram", "fork_program"]

_ROOT = Path(__file__).resolve().parents[2]


class ForkedProgram:
    """Program that was forked from the template, which says when it has ended."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self.pid = int(connection.recv(64))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs."""
        return self._read_end(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; raise `subprocess.TimeoutExpired` after so many seconds."""
        code = self._read_end(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"program {self.pid}", timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal; nothing if it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)

    def _read_end(self, timeout: float | None) -> int | None:
        with self._lock:
            if self.returncode is None and select.select([self._connection], [], [], timeout)[0]:
                said = self._connection.recv(64)
                if not said:
                    raise RuntimeError("the template process has ended, and its programs with it")
                self.returncode = int(said)
                self._connection.close()
            return self.returncode


def fork_program(
    module: str,
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path,
    output: int,
    errors: int,
) -> ForkedProgram:
    """Run a module as a program in a folder, with descriptors for its output and its errors, and nothing to read."""
    request = {"module": module, "arguments": arguments, "environment": environment, "folder": str(folder)}
    data = json.dumps(request).encode()
    assert len(data) < MAX_REQUEST, "the environment is too large for one request"
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.connect(str(_template()))
    with Path(os.devnull).open("rb") as nothing:
        socket.send_fds(connection, [data], [nothing.fileno(), output, errors])
    return ForkedProgram(connection)


@functools.cache
def _template() -> Path:
    """Start the template of this process of tests, and return its socket; it ends with the tests."""
    folder = Path(tempfile.mkdtemp(prefix="comporta-template-"))
    address, log = folder / "socket", folder / "output"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COMPORTA_")}
    process = spawn(
        [sys.executable, "-m", "tests.support.program_template", address],
        log=log,
        environment=environment | {"PYTHONPATH": str(_ROOT), "LC_ALL": "C.UTF-8"},
    )
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(end, process, signal.SIGKILL)
    wait_ready(process, functools.partial(_is_listening, address), name="the template of programs", log=log)
    return address


def _is_listening(address: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        try:
            connection.connect(str(address))
        except OSError:
            return False
        return True
