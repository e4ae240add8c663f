"""Limits that an administrator sets on PostgreSQL: named with the way out, waited for, and recovered from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from storage.database import open_database
from tests.support.event_generator import EventGenerator
from tests.support.programs import Program, is_answering, running_programs
from tests.support.services.broker import Broker
from tests.support.services.limited_postgres import LimitedPostgres
from tests.support.services.ports import HOST, free_port
from tests.support.services.proxy import Proxy
from tests.support.wait import wait_until
from tests.support.worker_deployment import WorkerDeployment

CONNECTIONS = 40
SECRET, CHANGED = "s3cr3t-of-before", "s3cr3t-of-after"
END_APP = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'"


@dataclass(kw_only=True)
class Deployment(WorkerDeployment):
    """A worker and a page, whose role may be limited by the server's administrator."""

    server: LimitedPostgres
    proxy: Proxy
    administrator_url: str
    password_file: Path
    running: tuple[Program, ...] = ()

    def administer(self, *statements: str) -> None:
        """Execute statements as the administrator, and end the connections of Comporta's role."""
        self.server.administer(*statements, END_APP)

    def is_applied(self, generator: EventGenerator) -> bool:
        """Return whether the newest event of each key is in the table."""
        rows = self.administrator_rows("SELECT shop, product_code, version FROM stock")
        found = {(shop, code): version for shop, code, version in rows}
        return all(found.get((shop, code)) == version for (_, shop, code), version in generator.newest.items())

    def administrator_rows(self, query: str) -> list[tuple]:  # type: ignore[type-arg]
        """Return the rows of a query by the administrator."""
        with psycopg.connect(self.administrator_url, autocommit=True) as connection:
            return connection.execute(query.encode()).fetchall()

    def number_of_lines(self) -> list[int]:
        """Return how many lines each process has logged."""
        return [len(program.log) for program in self.running]

    def wait_until_named(self, *words: str, since: list[int]) -> None:
        """Wait until worker and page have each logged a warning with these words, after so many lines.

        Of the worker that is the line of its batch: the heartbeat may meet the fault before the batch does.
        """
        for program, first, event in zip(self.running, since, ("database away", None), strict=True):

            def is_named(program: Program = program, first: int = first, event: str | None = event) -> bool:
                warnings = [line for line in program.log[first:] if line["level"] == "warning"]
                named = [line for line in warnings if all(word in str(line.get("error")) for word in words)]
                return any(event in (None, line["event"]) for line in named)

            wait_until(is_named, what=f"a line with {words} of {program.pid}")

    def check_recovered(self, generator: EventGenerator, since: list[int]) -> None:
        """Wait until the same processes have applied all, the worker has logged it, and the page is ready."""
        wait_until(lambda: self.is_applied(generator), what="the events to be applied")
        wait_until(
            lambda: [line for line in self.running[0].log[since[0] :] if line["event"] == "database answers again"],
            what="the worker to say so",
        )
        wait_until(lambda: is_answering(f"http://{HOST}:{self.settings['admin_port']}/readyz"), what="a page again")
        for program in self.running:
            assert program.alive
            assert "Traceback" not in program.output
            assert SECRET not in program.output
            assert CHANGED not in program.output


@pytest.fixture(scope="module")
def deployment(rabbitmq: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    server, folder = LimitedPostgres(CONNECTIONS), tmp_path_factory.mktemp("limits")
    with ExitStack() as stack:
        stack.callback(server.close)
        server.open()
        administrator_url = server.new_database()
        server.administer(f"CREATE ROLE app LOGIN PASSWORD '{SECRET}'", "CREATE ROLE other LOGIN PASSWORD 'other'")
        database = open_database(administrator_url)
        database.grant_app("app")
        database.close()
        proxy = stack.enter_context(Proxy(server.port))
        (password_file := folder / "password").write_text(f"{SECRET}\n")
        parts = urlsplit(proxy.through(administrator_url))
        url = urlunsplit(parts._replace(netloc=f"app@{parts.netloc.rpartition('@')[2]}"))
        settings = {"database_password_file": password_file, "admin_port": free_port()}
        programs = stack.enter_context(running_programs(folder))
        deployment = Deployment(
            broker=rabbitmq,
            broker_url=rabbitmq.new_vhost(),
            database_url=url,
            programs=programs,
            settings=settings,
            server=server,
            proxy=proxy,
            administrator_url=administrator_url,
            password_file=password_file,
        )
        worker = deployment.worker()
        page = programs.start("admin", **deployment._settings({}))
        page.wait_for("listening")
        deployment.running = (worker, page)
        yield deployment


def test_a_role_that_may_open_no_more_connections(deployment: Deployment) -> None:
    events, since = EventGenerator("limit"), deployment.number_of_lines()
    deployment.administer("ALTER ROLE app CONNECTION LIMIT 0")
    deployment.publish(events.events_of_all_keys())
    deployment.wait_until_named("too many connections for role", "CONNECTION LIMIT", since=since)
    deployment.administer("ALTER ROLE app CONNECTION LIMIT -1")
    deployment.check_recovered(events, since)


def test_a_server_whose_connections_are_all_taken(deployment: Deployment) -> None:
    events, since = EventGenerator("full"), deployment.number_of_lines()
    parts = urlsplit(deployment.administrator_url)
    url = urlunsplit(parts._replace(netloc=f"other:other@{parts.netloc.rpartition('@')[2]}"))
    with ExitStack() as stack:

        def take_all() -> bool:
            deployment.server.administer(END_APP)
            try:
                while True:
                    stack.callback(psycopg.connect(url).close)
            except psycopg.OperationalError:
                [(left,)] = deployment.administrator_rows("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'")
                return left == 0

        wait_until(take_all, what="all connections to be taken")
        deployment.publish(events.events_of_all_keys())
        deployment.wait_until_named("connection", "raise max_connections", since=since)
    deployment.check_recovered(events, since)


def test_a_password_that_was_changed_is_read_again_from_its_file(deployment: Deployment) -> None:
    events, since = EventGenerator("password"), deployment.number_of_lines()
    deployment.administer(f"ALTER ROLE app PASSWORD '{CHANGED}'")
    deployment.publish(events.events_of_all_keys())
    deployment.wait_until_named("password authentication failed", "COMPORTA_DATABASE_PASSWORD_FILE", since=since)
    deployment.password_file.write_text(f"{CHANGED}\n")
    deployment.check_recovered(events, since)


def test_a_password_that_was_changed_and_is_given_back(deployment: Deployment) -> None:
    present = deployment.password_file.read_text().strip()
    events, since = EventGenerator("given-back"), deployment.number_of_lines()
    deployment.administer("ALTER ROLE app PASSWORD 'a mistake'")
    deployment.publish(events.events_of_all_keys())
    deployment.wait_until_named("password authentication failed", "present password", since=since)
    deployment.server.administer(f"ALTER ROLE app PASSWORD '{present}'")
    deployment.check_recovered(events, since)


def test_a_role_that_may_not_log_in(deployment: Deployment) -> None:
    events, since = EventGenerator("login"), deployment.number_of_lines()
    deployment.administer("ALTER ROLE app NOLOGIN")
    deployment.publish(events.events_of_all_keys())
    deployment.wait_until_named("not permitted to log in", "ALTER ROLE", since=since)
    deployment.administer("ALTER ROLE app LOGIN")
    deployment.check_recovered(events, since)


def test_a_database_that_may_only_be_read(deployment: Deployment) -> None:
    events, since = EventGenerator("read-only"), deployment.number_of_lines()
    deployment.administer("ALTER ROLE app SET default_transaction_read_only = on")
    deployment.publish(events.events_of_all_keys())
    deployment.wait_until_named("may only be read", "default_transaction_read_only off", "25006", since=since)
    # Without an end of its connections: they are left by themselves.
    deployment.server.administer("ALTER ROLE app RESET default_transaction_read_only")
    deployment.check_recovered(events, since)


def test_a_statement_timeout_of_the_role_does_not_bind_a_direct_connection(deployment: Deployment) -> None:
    events = EventGenerator("timeout")
    deployment.administer("ALTER ROLE app SET statement_timeout = '1ms'")
    deployment.publish(events.events_of_all_keys())
    wait_until(lambda: deployment.is_applied(events), what="the events to be applied")
    deployment.administer("ALTER ROLE app RESET statement_timeout")


def test_doctor_names_each_limit_with_its_way_out(deployment: Deployment) -> None:
    def said() -> str:
        findings = deployment.programs.run("doctor", "--json", **deployment._settings({})).json["findings"]
        return "\n".join(f"{f['says']} -> {f['way_out']}" for f in findings if f["part"] == "database" and f["way_out"])

    assert said() == ""
    deployment.administer("ALTER ROLE app CONNECTION LIMIT 14")
    wait_until(lambda: deployment.administrator_rows("SELECT 1 FROM pg_stat_activity WHERE usename = 'app'"), what="it")
    assert "more connections of this user" in said()
    deployment.administer("ALTER ROLE app CONNECTION LIMIT 0")
    assert "raise max_connections or the role's CONNECTION LIMIT" in said()
    deployment.administer("ALTER ROLE app CONNECTION LIMIT -1", "ALTER ROLE app SET default_transaction_read_only = on")
    assert "may only be read" in said()
    deployment.administer("ALTER ROLE app RESET default_transaction_read_only")
    wait_until(lambda: said() == "", what="nothing to be wrong")


def test_a_standby_that_takes_over_is_waited_for(deployment: Deployment) -> None:
    standby, proxy = LimitedPostgres(CONNECTIONS), deployment.proxy
    events, since = EventGenerator("standby"), deployment.number_of_lines()
    standby.copy(deployment.server)
    try:
        deployment.server.stop()
        proxy.target_port = standby.port
        deployment.publish(events.events_of_all_keys())
        # The page says a cause once until it is over: it may have met this one, as the last, in the test before.
        deployment.wait_until_named("may only be read", "name every host", "25006", since=[since[0], 0])
        standby.promote()
        deployment.administrator_url = urlunsplit(
            (parts := urlsplit(deployment.administrator_url))._replace(
                netloc=parts.netloc.replace(str(deployment.server.port), str(standby.port))
            )
        )
        deployment.check_recovered(events, since)
    finally:
        standby.close()
