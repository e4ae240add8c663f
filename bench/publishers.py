"""Publishing speed with confirms: our publisher, the usual ways, `comporta publish`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import orjson

from bench.events import real_events
from bench.places import Servers
from bench.processes import MeasurementFailed
from bench.results import Figures

__all__ = ["command", "publisher"]


def publisher(servers: Servers, count: int, name: str) -> Figures:
    """Measure one publisher in a process of its own, without the start of the process."""
    with servers.place() as place:
        process = _run([sys.executable, "-m", "bench.peers.publishers", place.broker_url, name, str(count)], {})
    figures: Figures = orjson.loads(process.stdout)
    return figures


def command(servers: Servers, count: int) -> Figures:
    """Measure `comporta publish` of a file, with validation, start and end."""
    with servers.place() as place, tempfile.TemporaryDirectory(prefix="comporta-bench-") as folder:
        path = Path(folder) / "events.jsonl"
        # One run publishes for one shop: the event's own shop does not matter here.
        path.write_bytes(b"\n".join(event.body for event in real_events(count)))
        settings = {"COMPORTA_BROKER_URL": place.broker_url, "COMPORTA_DATABASE_URL": place.database_url}
        started = time.perf_counter()
        process = _run([sys.executable, "-m", "comporta", "publish", str(path), "--json"], settings)
        seconds = time.perf_counter() - started
    summary = orjson.loads(process.stdout)
    if summary["confirmed"] != count:
        raise MeasurementFailed(f"{summary['confirmed']} of {count} were confirmed")
    return {"events": count, "events_per_second": count / seconds}


def _run(arguments: list[str], settings: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    process = subprocess.run(arguments, env={**os.environ, **settings}, capture_output=True, check=False)
    if process.returncode:
        raise MeasurementFailed(process.stderr.decode(errors="replace")[-2000:])
    return process
