"""A private PostgreSQL with few connections and passwords, which tests limit as its administrator would."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.support.services.ports import HOST
from tests.support.services.postgres import Postgres

__all__ = ["LimitedPostgres"]

_RULES = "host all,replication comporta all trust\nhost all all all scram-sha-256\n"


class LimitedPostgres(Postgres):
    """Server whose administrator is `comporta`; every other user needs a password."""

    def __init__(self, connections: int) -> None:
        super().__init__()
        self._connections = connections

    def administer(self, *statements: str) -> None:
        """Execute statements as the administrator."""
        for statement in statements:
            self._run(statement)

    def copy(self, primary: LimitedPostgres) -> None:
        """Start as a standby of another, which streams what is committed there."""
        user, group = self._owner
        if user is not None and group is not None:
            os.chown(self._folder, user, group)
        data = self._folder / "data"
        source = f"host={HOST} port={primary.port} user=comporta"
        command = [*self._program("pg_basebackup"), "-D", data, "-d", source, "-R", "-X", "stream", "-c", "fast"]
        subprocess.run(command, user=self._account[0], group=self._account[1], check=True, timeout=120)
        with (data / "postgresql.conf").open("a") as configuration:
            configuration.write(f"port = {self.port}\n")
        self.start()

    def promote(self) -> None:
        """Make a standby the primary; the other is to be ended before."""
        self._run("SELECT pg_promote(true, 30)")

    def _initialise(self, data: Path) -> None:
        super()._initialise(data)
        (data / "pg_hba.conf").write_text(_RULES)
        with (data / "postgresql.conf").open("a") as configuration:
            configuration.write(f"max_connections = {self._connections}\nhot_standby = on\n")
