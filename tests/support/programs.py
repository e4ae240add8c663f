"""Programs: `comporta` in processes of its own, their logs, and their end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.support.forked_program import ForkedProgram, fork_program
from tests.support.services.processes import Process, end, spawn
from tests.support.wait import wait_until

__all__ = ["CompletedCommand", "Program", "Programs", "is_answering", "running_programs"]

_ROOT = Path(__file__).resolve().parents[2]
# What the program promises for an orderly stop.
STOP_SECONDS = 10.0
LogLine = dict[str, Any]
_FORKED = {"comporta", "tests.support.faulty_program"}
_LINK_FILE = re.compile(r"the link that signs in is in (\S+)\)")
_TOKEN = re.compile(r"/\?token=(\S+)")


@dataclass(frozen=True)
class CompletedCommand:
    """Command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Output as JSON."""
        return json.loads(self.out)


class Program:
    """Process that runs until it is told to end; its output is in a file."""

    def __init__(self, process: Process | ForkedProgram, log: Path) -> None:
        self._process = process
        self._log = log
        self._children: list[psutil.Process] = []

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs, or is stopped by SIGSTOP."""
        return self._process.poll() is None

    @property
    def output(self) -> str:
        """Output so far, of either stream."""
        return self._log.read_text(errors="replace")

    @property
    def log(self) -> list[LogLine]:
        """Its log so far, one JSON object a line."""
        return [json.loads(line) for line in self.output.splitlines() if line.startswith("{") and line.endswith("}")]

    def logged(self, event: str, **values: object) -> list[LogLine]:
        """Return the log lines of one kind, with these values."""
        return [line for line in self.log if line["event"] == event and values.items() <= line.items()]

    def wait_for(self, event: str, *, times: int = 1, timeout: float = 60.0, **values: object) -> list[LogLine]:
        """Wait until it has logged an event so often; fail at once if it has ended instead."""

        def look() -> list[LogLine]:
            ended = not self.alive
            lines = self.logged(event, **values)
            assert len(lines) >= times or not ended, f"ended before it said {event!r}:\n{self.output[-3000:]}"
            return lines if len(lines) >= times else []

        return wait_until(look, timeout=timeout, what=f"{event!r} {values or ''} in the log")

    @property
    def token(self) -> str:
        """The token of the link whose file it names at start."""
        file = wait_until(lambda: _LINK_FILE.findall(self.output), what="the link to the page")[-1]
        [token] = _TOKEN.findall(Path(file).read_text())
        return str(token)

    @property
    def bearer(self) -> dict[str, str]:
        """The header that shows this token."""
        return {"authorization": f"Bearer {self.token}"}

    def send(self, signal_number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(signal_number)

    def wait(self, timeout: float = 60.0) -> int:
        """Wait for its end; return the exit code, negative for a signal."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout:g} s:\n{self.output[-3000:]}") from None

    def stop(self, signal_number: signal.Signals = signal.SIGTERM) -> int:
        """Tell it to stop, and return the exit code; fail if it takes longer than promised."""
        self.send(signal_number)
        return self.wait(STOP_SECONDS)

    def workers(self) -> list[psutil.Process]:
        """Return the worker processes under a parent that run now."""
        if self.alive:
            children = psutil.Process(self.pid).children()
            self._children += [child for child in children if child not in self._children]
        return [child for child in self._children if _is_worker(child)]

    def end(self) -> None:
        """End the process and its children."""
        self.workers()
        end(self._process, signal.SIGKILL)
        for child in self._children:
            # psutil knows by the start time if the id belongs to another process by now.
            if child.is_running():
                child.kill()
        psutil.wait_procs(self._children, timeout=30)


class Programs:
    """Programs and commands with settings of their own, in one folder.

    `prefix` starts each of them elsewhere; `root` has the packages that they run, those of the checkout by default.
    """

    def __init__(self, folder: Path, prefix: Sequence[str] = (), root: Path = _ROOT) -> None:
        self.folder, self._prefix, self._root = folder, prefix, root
        self._numbers = count(1)
        self._started: list[Program] = []

    def start(self, *arguments: str, module: str = "comporta", **settings: object) -> Program:
        """Start a program that runs on; wait for its log before using it."""
        log = self.folder / f"output-{next(self._numbers)}"
        log.touch()
        program = Program(
            _start(
                module,
                arguments,
                log=log,
                environment=_environment(settings, self.folder, self._root),
                prefix=self._prefix,
                forked=self._are_forked,
            ),
            log,
        )
        self._started.append(program)
        return program

    def worker(self, *arguments: str, processes: int = 1, **options: Any) -> Program:
        """Start a worker, and wait until it consumes."""
        several = () if processes == 1 else ("--processes", str(processes))
        program = self.start("worker", *several, *arguments, **options)
        program.wait_for("broker connected", session="events", times=processes)
        return program

    @property
    def _are_forked(self) -> bool:
        """Return True if they are forked from a process of this host that has loaded this checkout's modules."""
        return not self._prefix and self._root == _ROOT

    def _run_elsewhere(self, arguments: Sequence[str], settings: dict[str, object]) -> CompletedCommand:
        done = subprocess.run(
            [*self._prefix, sys.executable, "-m", "comporta", *arguments],
            env=_environment(settings, self.folder, self._root),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        return CompletedCommand(done.returncode, done.stdout, done.stderr)

    def run(self, *arguments: str, **settings: object) -> CompletedCommand:
        """Run a command to its end."""
        if not self._are_forked:
            return self._run_elsewhere(arguments, settings)
        with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
            process = fork_program(
                "comporta",
                arguments,
                environment=_environment(settings, self.folder, self._root),
                folder=self.folder,
                output=output.fileno(),
                errors=errors.fileno(),
            )
            try:
                code = process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
            for stream in (output, errors):
                stream.seek(0)
            return CompletedCommand(code, output.read(), errors.read())

    def end(self) -> None:
        """End everything that still runs."""
        for program in self._started:
            program.end()


def is_answering(url: str, headers: dict[str, str] | None = None) -> bool:
    """Return whether a GET of an address is answered with 200."""
    try:
        # To read the authorities' certificates takes longer than to be answered.
        return httpx.get(url, headers=headers, verify=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


@contextmanager
def running_programs(folder: Path) -> Iterator[Programs]:
    """Make programs that all end with the block."""
    programs = Programs(folder)
    try:
        yield programs
    finally:
        programs.end()


def _start(
    module: str,
    arguments: tuple[str, ...],
    *,
    log: Path,
    environment: dict[str, str],
    prefix: Sequence[str],
    forked: bool,
) -> Process | ForkedProgram:
    """Fork what only runs Comporta; start what changes the process itself, or is none of ours."""
    if module not in _FORKED or not forked:
        return spawn([*prefix, sys.executable, "-m", module, *arguments], log=log, environment=environment)
    with log.open("ab") as output:
        return fork_program(
            module,
            arguments,
            environment=environment,
            folder=log.parent,
            output=output.fileno(),
            errors=output.fileno(),
        )


def _environment(settings: dict[str, object], folder: Path, root: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("COMPORTA_", "LC_", "LANG"))}
    # The link to a page is kept in the runtime folder, and goes with the test.
    ours = {"PYTHONPATH": str(root), "LC_ALL": "C.UTF-8", "XDG_RUNTIME_DIR": str(folder)}
    return inherited | ours | {f"COMPORTA_{name.upper()}": str(value) for name, value in settings.items()}


def _is_worker(process: psutil.Process) -> bool:
    try:
        command, status = process.cmdline(), process.status()
    except psutil.NoSuchProcess:
        return False
    # multiprocessing's resource tracker is a child too.
    return status != psutil.STATUS_ZOMBIE and any("spawn_main" in part for part in command)
