"""A private PostgreSQL: its own port and data, and a fresh, migrated database for every test."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import trustme

from storage.engine import open_engine
from storage.migrate import migrate
from tests.support.services.platform import Platform, chosen_platform
from tests.support.services.ports import HOST, free_port
from tests.support.services.processes import (
    Process,
    Service,
    ServiceFailed,
    ServiceMissing,
    data_folder,
    end,
    remove,
    spawn,
    wait_ready,
)

__all__ = ["Database", "Postgres", "SharedPostgres", "owner"]

_SETTING = "COMPORTA_TEST_DATABASE_URL"
# Texts sort as in Portuguese unless a column says otherwise, as in a shop's own database.
_INITDB = "--username=comporta --auth=trust --encoding=UTF8 --locale=C.UTF-8 --locale-provider=icu --icu-locale=pt-BR"
# What was written survives the end of the server, however sudden: only the machine's own would need fsync.
_CONFIGURATION = """
listen_addresses = '{host}'
port = {port}
unix_socket_directories = ''
max_connections = 200
shared_buffers = 128MB
max_wal_size = 256MB
dynamic_shared_memory_type = mmap
fsync = off
"""


class Database(Service):
    """PostgreSQL as any test may use it, over a connection; its starter stops it."""

    name, setting = "PostgreSQL", _SETTING

    # How a copy of the template is made, as the server's own default.
    _copy = ""

    def __init__(self, base: str) -> None:
        self._base = base
        self._prefix = f"comporta_test_{os.getpid()}"
        self._numbers = count(1)
        self._template: str | None = None

    @property
    def port(self) -> int:
        """Where it listens: what a proxy before it forwards to."""
        return urlsplit(self._base).port or 5432

    def url(self, name: str) -> str:
        """The URL of a database."""
        return urlunsplit(urlsplit(self._base)._replace(path=f"/{name}"))

    def new_database(self) -> str:
        """The URL of a database with the newest tables and no rows."""
        if self._template is None:
            self._template = self._migrated(f"{self._prefix}_template")
        name = f"{self._prefix}_{next(self._numbers)}"
        self._run(f'CREATE DATABASE "{name}" TEMPLATE "{self._template}" {self._copy}')
        return self.url(name)

    def new_empty_database(self) -> str:
        """The URL of a database without tables."""
        name = f"{self._prefix}_{next(self._numbers)}"
        self._run(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Drop a database, even if a client is still connected."""
        name = urlsplit(url).path.removeprefix("/")
        self._run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def stop_immediate(self) -> None:
        """End the server as a power cut would; the next start recovers from the log."""
        raise self._not_ours()

    def _migrated(self, name: str) -> str:
        self._run(f'CREATE DATABASE "{name}"')
        engine = open_engine(self.url(name))
        try:
            migrate(engine)
        finally:
            # A template must not be in use while it is copied.
            engine.dispose()
        return name

    def _run(self, statement: str) -> None:
        with psycopg.connect(self._base, autocommit=True, connect_timeout=5) as connection:
            connection.execute(statement.encode())


class SharedPostgres(Database):
    """The one that COMPORTA_TEST_DATABASE_URL names; its user must be allowed to create databases."""

    def open(self) -> None:
        try:
            psycopg.connect(self._base, connect_timeout=5).close()
        except psycopg.OperationalError as error:
            raise ServiceFailed(f"the database that {_SETTING} names can't be used: {error}") from error

    def close(self) -> None:
        if self._template is not None:
            self.drop_database(self.url(self._template))


class Postgres(Database):
    """Run from the installed programs; can be ended and started again on the same data and port."""

    # Half as long as by way of the log, and a drop takes half as long then.
    _copy = "STRATEGY file_copy"

    def __init__(self) -> None:
        self._platform = chosen_platform()
        super().__init__(f"postgresql://comporta@{HOST}:{free_port()}/postgres")
        self._folder = data_folder("postgres")
        self._owner = owner(self._platform)
        # Into a platform only root gets, which then becomes the owner.
        self._account = self._owner if self._platform is None else (None, None)
        self._process: Process | None = None

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process else None

    def open(self) -> None:
        self.start()

    def start(self) -> None:
        data, log = self._folder / "data", self._folder / "output"
        if not data.exists():
            self._initialise(data)
        if self._process is None:
            command = [*self._program("postgres"), "-D", data]
            self._process = spawn(command, log=log, user=self._account[0], group=self._account[1])
            wait_ready(self._process, self._answers, name="PostgreSQL", log=log)

    def stop(self) -> None:
        self._end(signal.SIGINT)

    def stop_immediate(self) -> None:
        self._end(signal.SIGQUIT)

    def certify(self, certificate: trustme.LeafCert) -> None:
        """Speak TLS, and show this certificate to every client that connects from now on."""
        data = self._folder / "data"
        certificate.cert_chain_pems[0].write_to_path(data / "server.crt")
        certificate.private_key_pem.write_to_path(data / "server.key")
        (data / "server.key").chmod(0o600)
        if (user := self._owner[0]) is not None:
            os.chown(data / "server.key", user, -1)
            os.chown(data / "server.crt", user, -1)
        self._run("ALTER SYSTEM SET ssl = on")
        self._run("SELECT pg_reload_conf()")

    def close(self) -> None:
        self.stop_immediate()
        remove(self._folder)

    def _initialise(self, data: Path) -> None:
        user, group = self._owner
        if user is not None and group is not None:
            os.chown(self._folder, user, group)
        command = [*self._program("initdb"), "--pgdata", data, "--no-sync", *_INITDB.split()]
        subprocess.run(
            command,
            user=self._account[0],
            group=self._account[1],
            cwd=self._folder,
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=120,
        )
        with (data / "postgresql.conf").open("a") as configuration:
            configuration.write(_CONFIGURATION.format(host=HOST, port=self.port))

    def _program(self, name: str) -> list[str | Path]:
        if self._platform is None:
            return [_find_programs() / name]
        user, group = self._owner
        account = None if user is None or group is None else (user, group)
        return self._platform.command(f"{self._platform.postgres_programs()}/{name}", account)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._base, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            end(process, how)


def _find_programs() -> Path:
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = shutil.which("initdb") or (debian[-1] if debian else None)
    if found is None:
        raise ServiceMissing("PostgreSQL", _SETTING)
    return Path(found).resolve().parent


def owner(platform: Platform | None = None) -> tuple[int, int] | tuple[None, None]:
    """Return the account for a server that refuses to run as root, as PostgreSQL does; None where this is not root."""
    if os.geteuid() != 0:
        return None, None
    if platform is not None:
        return platform.account("postgres")
    for name in ("postgres", "nobody"):
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        return account.pw_uid, account.pw_gid
    raise ServiceMissing("an account to run PostgreSQL with", _SETTING)
