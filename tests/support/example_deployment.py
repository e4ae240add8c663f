"""Running Comporta that the examples publish to."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from tests.support.programs import running_programs
from tests.support.services.ports import HOST, free_port
from tests.support.wait import wait_until

__all__ = ["ExampleDeployment", "running_example_deployment"]


@dataclass(frozen=True)
class ExampleDeployment:
    """Addresses of a running Comporta, and its database."""

    broker_url: str
    url: str
    token: str
    database: Path
    sequences: Iterator[int]

    def next_sequence(self) -> int:
        """Return a sequence higher than all before: the examples write the same key."""
        return next(self.sequences)

    def wait_stock(self, sequence: int) -> dict[str, Any]:
        """Wait until the row of the examples' key shows this version; return it."""
        found = wait_until(
            lambda: self._rows("SELECT * FROM stock WHERE version = ?", sequence), what=f"stock of version {sequence}"
        )
        [row] = found
        return row

    def superseded(self) -> int:
        """Count the deliveries that have been superseded so far."""
        query = "SELECT coalesce(sum(count), 0) AS total FROM ledger WHERE domain = 'stock' AND outcome = 'superseded'"
        [row] = self._rows(query)
        return int(row["total"])

    def _rows(self, query: str, *parameters: object) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query, parameters)]


@contextmanager
def running_example_deployment(folder: Path, broker_url: str) -> Iterator[ExampleDeployment]:
    """Run `comporta run` on a broker and an SQLite database, ready for events by AMQP and by HTTP."""
    database, port = folder / "comporta.db", free_port()
    with running_programs(folder) as programs:
        program = programs.start(
            "run", BROKER_URL=broker_url, DATABASE_URL=f"sqlite:///{database}", ADMIN_PORT=port, LOG_FORMAT="json"
        )
        program.wait_for("listening")
        program.wait_for("broker connected", session="events")
        yield ExampleDeployment(broker_url, f"http://{HOST}:{port}", program.token, database, count(1))
