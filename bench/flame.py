"""Flame graph of one worker at full speed, by py-spy."""

from __future__ import annotations

import signal
import subprocess
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench import throughput
from bench.events import Backlog
from bench.places import Servers
from bench.processes import Child, MeasurementFailed

__all__ = ["draw"]

_PY_SPY = Path(sysconfig.get_path("scripts")) / "py-spy"
_PER_SECOND = "500"
_WRITE_SECONDS = 60.0


def draw(servers: Servers, backlog: Backlog, path: Path) -> None:
    """Record one worker while it works off a backlog, and write the graph; raise `MeasurementFailed`."""
    throughput.workers(servers, backlog, 1, watch=partial(_record, path.resolve()))


@contextmanager
def _record(path: Path, children: Sequence[Child]) -> Iterator[None]:
    [child] = children
    command = [str(_PY_SPY), "record", "--pid", str(child.process.pid), "--output", str(path), "--rate", _PER_SECOND]
    # Without --nonblocking: the worker halts for each sample and is slower, but no sample is torn.
    spy = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        # As on Ctrl-C: py-spy writes its samples.
        spy.send_signal(signal.SIGINT)
        output, _ = spy.communicate(timeout=_WRITE_SECONDS)
    if spy.returncode or not path.exists():
        raise MeasurementFailed(f"py-spy wrote nothing:\n{output.decode(errors='replace')[-2000:]}")
