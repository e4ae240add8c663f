"""Template process: it has loaded the program once, and each program of a test is a fork of it.

To start Python and load the modules costs a second of a processor, and the tests start programs a thousand times.
What a program does from its entry point on is the same; that it also starts by itself is for the tests of the command
line and of the wheel to show.

Protocol, on a Unix socket of packets with a connection a program: the request is one JSON object with the three
standard streams as descriptors; the answers are the process id and, at its end, the exit code, a packet each.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import io
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["MAX_REQUEST"]

# Bytes; the environment is most of it.
MAX_REQUEST = 131_072
_PR_SET_PDEATHSIG = 1
_PACKAGES = ("comporta", "control", "consumers", "producers", "broker", "storage")
# Of libraries: what they load themselves when it is first needed.
_MODULES = (
    "alembic.config",
    "alembic.ddl.postgresql",
    "encodings.ascii",
    "encodings.idna",
    "kombu.common",
    "psycopg",
    "pydantic.v1",
    "rich.markdown",
    "stdnum.br.cnpj",
    "stdnum.br.cpf",
    "typer.rich_utils",
    "uvicorn.lifespan.off",
    "uvicorn.loops.asyncio",
)


@dataclass
class _Template:
    listener: socket.socket
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    programs: dict[int, socket.socket] = field(default_factory=dict)

    def serve(self) -> dict[str, Any]:
        """Fork a program for each request; return its request in the new process, never in this one."""
        awake, waker = socket.socketpair()
        awake.setblocking(False)
        waker.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(waker.fileno())
        for readable in (self.listener, awake):
            self.selector.register(readable, selectors.EVENT_READ)
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is awake:
                    awake.recv(4096)
                    self._say_ends()
                elif (request := self._fork()) is not None:
                    for ours in (awake, waker):
                        ours.close()
                    return request

    def _fork(self) -> dict[str, Any] | None:
        connection, _ = self.listener.accept()
        data, streams, _, _ = socket.recv_fds(connection, MAX_REQUEST, 3)
        if len(streams) != 3:
            connection.close()
            return None
        pid = os.fork()
        if pid == 0:
            self._become(connection, streams)
            request: dict[str, Any] = json.loads(data)
            return request
        for stream in streams:
            os.close(stream)
        self.programs[pid] = connection
        _say(connection, pid)
        return None

    def _become(self, connection: socket.socket, streams: list[int]) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        # It goes with the template, which goes with the tests.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        os.setsid()
        self.selector.close()
        for other in (self.listener, connection, *self.programs.values()):
            other.close()
        for target, stream in enumerate(streams):
            os.dup2(stream, target)
            os.close(stream)
        sys.stdin = io.TextIOWrapper(io.FileIO(0, "r", closefd=False), encoding="utf-8")
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w", closefd=False)), encoding="utf-8")
        sys.stderr = io.TextIOWrapper(
            io.BufferedWriter(io.FileIO(2, "w", closefd=False)),
            encoding="utf-8",
            errors="backslashreplace",
            line_buffering=True,
        )

    def _say_ends(self) -> None:
        while self.programs:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            with self.programs.pop(pid) as connection:
                _say(connection, os.waitstatus_to_exitcode(status))


def _say(connection: socket.socket, number: int) -> None:
    try:
        connection.sendall(b"%d" % number)
    except OSError:
        # The test that asked for it has ended.
        return


def _load() -> None:
    """Load what any command, the worker and the page need, now or later."""
    for name in (*_MODULES, *_each_module()):
        import_module(name)
    import_module("comporta.web.pages.renderer").load_templates()
    # What is here for good need not be looked through, nor copied, in each fork.
    gc.collect()
    gc.freeze()


def _each_module() -> Iterator[str]:
    root = Path(__file__).resolve().parents[2]
    for package in _PACKAGES:
        for module in pkgutil.walk_packages([str(root / package)], f"{package}."):
            if not module.ispkg and module.name.rpartition(".")[2] != "__main__":
                yield module.name


def _run(module: str) -> None:
    """Run a module to its end as Python does, but leave the loaded modules to the system: to free them takes long."""
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code
        if code is not None and not isinstance(code, int):
            print(code, file=sys.stderr)
            code = 1
    except Exception:
        sys.excepthook(*sys.exc_info())
        code = 1
    else:
        code = 0
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)


def _main() -> None:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(sys.argv[1])
    _load()
    listener.listen(64)
    request = _Template(listener).serve()
    os.chdir(Path(request["folder"]))
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv[1:] = request["arguments"]
    _run(request["module"])


if __name__ == "__main__":
    _main()
