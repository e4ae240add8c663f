"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from bench.backlog import server_version
from bench.places import Servers

__all__ = ["describe"]


def describe(servers: Servers) -> dict[str, str | int | float]:
    """Cores, processor and versions; nothing that names the machine or a path of it."""
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
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())
