"""`comporta grant-app` on a real PostgreSQL: everything works with the role, and the tables are safe from it."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import Engine, inspect, text

from broker.sync_publisher import SyncPublisher
from schemas.topology import ORDERS_IN
from storage.all_tables import every_table
from storage.engine import open_engine
from storage.sql_views import SQL_VIEWS
from tests.support.database_roles import allowed, as_role, login_role
from tests.support.event_generator import EventGenerator
from tests.support.order_events import placed
from tests.support.pipeline import CLOUDEVENT
from tests.support.programs import Programs
from tests.support.services.broker import Broker
from tests.support.services.ports import free_port
from tests.support.wait import wait_until
from tests.support.worker_deployment import WorkerDeployment

ROWS = {"SELECT", "INSERT", "UPDATE", "DELETE"}


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = open_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def role(engine: Engine, programs: Programs, database_url: str) -> Iterator[str]:
    """A role with a name that needs quotes, and the rights that the command grants."""
    with login_role(engine, "Comporta app") as name:
        assert programs.run("grant-app", name, "--dry-run", database_url=database_url).code == 0
        stranger = psycopg.connect(as_role(database_url, name))
        with pytest.raises(psycopg.errors.InsufficientPrivilege), stranger as nobody:
            nobody.execute("SELECT 1 FROM stock")
        done = programs.run("grant-app", name, database_url=database_url)
        assert (done.code, "GRANT SELECT, INSERT, UPDATE, DELETE" in done.out) == (0, True), done.err
        yield name


def test_the_role_may_change_rows_and_no_table(engine: Engine, database_url: str, role: str) -> None:
    tables = {*inspect(engine).get_table_names(), *inspect(engine).get_view_names()}
    found = {table: allowed(database_url, role, table) for table in tables}
    assert {table: rights for table, rights in found.items() if table in every_table().tables} == dict.fromkeys(
        every_table().tables, ROWS
    )
    assert all(found[name] == {"SELECT"} for name in ("alembic_version", *SQL_VIEWS))
    for statement in ("DROP TABLE stock", "ALTER TABLE stock ADD mine int", "CREATE TABLE mine (id int)"):
        with (
            pytest.raises(psycopg.errors.InsufficientPrivilege),
            psycopg.connect(as_role(database_url, role)) as connection,
        ):
            connection.execute(statement.encode())


def test_a_later_table_is_included(engine: Engine, database_url: str, role: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE later (id int)"))
    with psycopg.connect(as_role(database_url, role)) as connection:
        connection.execute("INSERT INTO later VALUES (1)")


def test_everything_works_as_the_role(
    programs: Programs, rabbitmq: Broker, broker_url: str, database_url: str, role: str
) -> None:
    url = as_role(database_url, role)
    settings = {"admin_port": free_port(), "changes": "true", "history": 3}
    deployment = WorkerDeployment(rabbitmq, broker_url, url, programs, settings)
    worker = programs.start("run", **deployment._settings({}))
    worker.wait_for("broker connected", session="events")
    worker.wait_for("broker connected", session="control")
    generator = EventGenerator("main", domains=("stock", "products"), keys=5)
    deployment.publish(generator.events_of_all_keys())
    deployment.queries.wait_converged(generator)
    publisher = SyncPublisher(broker_url, "test shop")
    publisher.publish(placed("O1"), exchange=ORDERS_IN, routing_key="main", content_type=CLOUDEVENT)
    publisher.close()
    wait_until(lambda: deployment.queries.rows("SELECT state FROM orders") == [("sent",)], what="the order to be sent")
    deployment.pause("main")
    deployment.publish(generator.events_of_all_keys())
    wait_until(lambda: len(deployment.queries.missed("main")) == 10, what="ten keys to be missed")
    deployment.resume("main")
    named = deployment._settings({})
    for command in (
        ("status",),
        ("missed", "list"),
        ("shop", "remove", "main", "--dry-run"),
        ("prune",),
        ("doctor",),
    ):
        done = programs.run(*command, **named)
        assert "permission" not in (done.out + done.err).replace("permissions", ""), (command, done.err)
    assert not [line for line in worker.log if line.get("level") == "error"]
    refused = programs.run("migrate", **named)
    assert "Traceback" not in refused.err
