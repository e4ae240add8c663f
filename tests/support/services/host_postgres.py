"""PostgreSQL on hosts of their own: a primary, and a standby that each commit waits for."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import psycopg

from tests.support.services.hosts import Host
from tests.support.services.postgres import Postgres
from tests.support.services.processes import spawn, wait_ready

__all__ = ["HostPostgres"]

PORT = 5432
_CONFIGURATION = """
listen_addresses = '*'
port = {port}
unix_socket_directories = ''
max_connections = 200
shared_buffers = 128MB
dynamic_shared_memory_type = mmap
fsync = off
wal_level = replica
hot_standby = on
wal_receiver_timeout = 10s
wal_sender_timeout = 10s
"""


class HostPostgres(Postgres):
    """Server on the usual port of its host."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self.host = host
        self._base = f"postgresql://comporta@{host.address}:{PORT}/postgres"

    @property
    def address(self) -> str:
        return f"{self.host.address}:{PORT}"

    def copy(self, primary: HostPostgres) -> None:
        """Start as the standby of a primary, which from then on waits for it at each commit."""
        user, group = self._owner
        if user is not None and group is not None:
            os.chown(self._folder, user, group)
        source = f"host={primary.host.address} port={PORT} user=comporta application_name=standby"
        command = [*self._program("pg_basebackup"), "-D", self._data, "-d", source, "-R", "-X", "stream", "-c", "fast"]
        subprocess.run(command, user=self._account[0], group=self._account[1], check=True, timeout=120)
        self.start()
        primary.set_synchronous("standby")

    def set_synchronous(self, names: str) -> None:
        """Name the standbys that each commit waits for, none by an empty text."""
        self._run(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
        self._run("SELECT pg_reload_conf()")

    def promote(self) -> None:
        """Make it the primary; it has no standby of its own then."""
        self._run("SELECT pg_promote(true, 30)")

    def is_synchronous(self) -> bool:
        """Return whether its standby has each commit before it is confirmed."""
        with psycopg.connect(self._base, autocommit=True) as connection:
            row = connection.execute("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'").fetchone()
        return row == (1,)

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def start(self) -> None:
        log = self._folder / "output"
        if not self._data.exists():
            self._initialise(self._data)
            with (self._data / "postgresql.conf").open("a") as configuration:
                configuration.write(_CONFIGURATION.format(port=PORT))
            with (self._data / "pg_hba.conf").open("a") as rules:
                rules.write("host all all samenet trust\nhost replication all samenet trust\n")
        if self._process is None:
            command = [*self._program("postgres"), "-D", self._data]
            self._process = spawn(command, log=log, user=self._account[0], group=self._account[1])
            wait_ready(self._process, self._answers, name="PostgreSQL", log=log)

    def _program(self, name: str) -> list[str | Path]:
        return [*self.host.prefix, *super()._program(name)]
