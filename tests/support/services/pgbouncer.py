"""A private pgbouncer in transaction mode before a PostgreSQL."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from tests.support.services.ports import HOST, free_port
from tests.support.services.postgres import owner
from tests.support.services.processes import (
    Process,
    ServiceMissing,
    data_folder,
    end,
    remove,
    spawn,
    wait_ready,
)

__all__ = ["PgBouncer"]

_CONFIGURATION = """
[databases]
# With auth_type any, the client's name counts for nothing.
* = host={server_host} port={server_port} user={user}

[pgbouncer]
listen_addr = {host}
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
# Fewer than a process has connections: each transaction may get another client's.
default_pool_size = 3
ignore_startup_parameters = {ignored}
"""


class PgBouncer:
    """Pooler that refuses the startup parameter `options`, or takes and ignores it."""

    def __init__(self, server: str, *, ignores_options: bool) -> None:
        parts = urlsplit(server)
        self._server = parts
        self._ignored = "options,extra_float_digits" if ignores_options else "extra_float_digits"
        self._port = free_port()
        self._folder = data_folder("pgbouncer")
        self._process: Process | None = None

    def url(self, direct: str) -> str:
        """The URL of a database through the pooler."""
        parts = urlsplit(direct)
        user = f"{parts.username}@" if parts.username else ""
        return urlunsplit(parts._replace(netloc=f"{user}{HOST}:{self._port}"))

    def start(self) -> None:
        """Start it, and return when it takes connections."""
        program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
        if not Path(program).exists():
            raise ServiceMissing("pgbouncer", "nothing")
        configuration, log = self._folder / "pgbouncer.ini", self._folder / "output"
        server = {
            "server_host": self._server.hostname,
            "server_port": self._server.port or 5432,
            "user": self._server.username,
        }
        text = _CONFIGURATION.format(host=HOST, port=self._port, ignored=self._ignored, **server)
        configuration.write_text(text)
        user, group = owner()
        if user is not None and group is not None:
            os.chown(self._folder, user, group)
        self._process = spawn([program, configuration], log=log, user=user, group=group)
        wait_ready(self._process, self._answers, name="pgbouncer", log=log)

    def close(self) -> None:
        """End it, and leave nothing behind."""
        if self._process is not None:
            end(self._process, signal.SIGINT)
        remove(self._folder)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url(urlunsplit(self._server)), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True
