"""How fast events are published with confirms: by our publisher, by the usual ways, by `comporta publish`."""

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

__all__ = ["command", "way"]


def way(servers: Servers, count: int, name: str) -> Figures:
    """One way, in a process of its own; its figures leave out the start of the process."""
    with servers.place() as place:
        done = _run([sys.executable, "-m", "bench.peers.publishing", place.broker_url, name, str(count)], {})
    figures: Figures = orjson.loads(done.stdout)
    return figures


def command(servers: Servers, count: int) -> Figures:
    """`comporta publish` of a file, validation, start and end included."""
    with servers.place() as place, tempfile.TemporaryDirectory(prefix="comporta-bench-") as folder:
        path = Path(folder) / "events.jsonl"
        # One run publishes for one shop: whose event it was does not matter here.
        path.write_bytes(b"\n".join(event.body for event in real_events(count)))
        settings = {"COMPORTA_BROKER_URL": place.broker_url, "COMPORTA_DATABASE_URL": place.database_url}
        started = time.perf_counter()
        done = _run([sys.executable, "-m", "comporta", "publish", str(path), "--json"], settings)
        seconds = time.perf_counter() - started
    summary = orjson.loads(done.stdout)
    if summary["confirmed"] != count:
        raise MeasurementFailed(f"{summary['confirmed']} of {count} were confirmed")
    return {"events": count, "events_per_second": count / seconds}


def _run(arguments: list[str], settings: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(arguments, env={**os.environ, **settings}, capture_output=True, check=False)
    if done.returncode:
        raise MeasurementFailed(done.stderr.decode(errors="replace")[-2000:])
    return done
