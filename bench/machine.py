"""Machine of the measurement: cores, processor and versions."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from bench.backlog import server_version
from bench.places import Servers

__all__ = ["describe"]


def describe(servers: Servers) -> dict[str, str | int | float]:
    """Return cores, processor and versions; nothing that names the machine or one of its paths."""
    with servers.place() as place, place.query() as database:
        [[postgres]] = database.execute("SHOW server_version")
        rabbitmq = server_version(place.broker_url)
    return {
        "cores": os.cpu_count() or 0,
        "processor": _processor(),
        "python": platform.python_version(),
        "rabbitmq": rabbitmq,
        "postgresql": str(postgres),
        "load_average_before": round(os.getloadavg()[0], 2),
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.machine())
