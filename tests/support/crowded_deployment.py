"""Deployment with large rows, for readers that ask for all of them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import httpx

from tests.support.programs import Program, Programs
from tests.support.services.ports import free_port

__all__ = ["LONG", "MESSAGE", "CrowdedDeployment", "at_once"]

MESSAGE = "018f0000-0000-7000-8000-000000000001"
LONG = "x" * 1_000


class CrowdedDeployment:
    """Process with a large message in its quarantine, or many missed keys."""

    def __init__(self, programs: Programs, module: str = "comporta", **settings: object) -> None:
        port = free_port()
        self.program: Program = programs.start("run", module=module, ADMIN_PORT=port, LOG_FORMAT="json", **settings)
        self.program.wait_for("listening")
        self.url, self.headers = f"http://127.0.0.1:{port}", self.program.bearer
        self._database = programs.folder / "comporta.db"

    def client(self) -> httpx.Client:
        """Make a client with the token."""
        return httpx.Client(base_url=self.url, headers=self.headers, timeout=60)

    def quarantine(self, size: int) -> None:
        """Put a message with a body of this size into the quarantine."""
        values = {
            "id": MESSAGE,
            "at": datetime.now(UTC).isoformat(sep=" "),
            "shop": "main",
            "domain": "stock",
            "reason": "json",
            "pointer": "",
            "sentence": "a test",
            "routing_key": "main.stock",
            "content_type": "application/json",
            "headers": "{}",
            "digest": "x",
            "worker": "w",
        }
        names = ", ".join((*values, "body"))
        marks = ", ".join("?" for _ in values)
        with sqlite3.connect(self._database, timeout=30) as connection:
            statement = f"INSERT INTO quarantine ({names}) VALUES ({marks}, zeroblob(?))"
            connection.execute(statement, (*values.values(), size))

    def miss(self, number: int) -> None:
        """Make so many keys missed."""
        now = datetime.now(UTC).isoformat(sep=" ")
        columns = "domain, shop, key, version, event_id, discarded_at"
        rows = (("products", "main", json.dumps({"code": f"{row}{LONG}"}), 1, "e", now) for row in range(number))
        with sqlite3.connect(self._database, timeout=30) as connection:
            connection.executemany(f"INSERT INTO missed ({columns}) VALUES (?, ?, ?, ?, ?, ?)", rows)

    def peak(self) -> int:
        """Return the most memory that the process has had, in bytes."""
        status = Path(f"/proc/{self.program.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def at_once(times: int, work: Callable[[int], object]) -> list[object]:
    """Do something several times at once."""
    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(work, range(times)))
