"""`comporta doctor`, `config` and `version`: each fault with what is wrong and the way out, and never a secret."""

from __future__ import annotations

import sqlite3
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg
import pytest

from broker.connection import open_connection
from broker.declare import declare, declare_queues
from schemas.topology import orders_queue
from tests.support.programs import Programs
from tests.support.services.broker import Broker, open_channel
from tests.support.services.ports import HOST, free_port
from tests.support.services.postgres import Database
from tests.support.wait import wait_until

SECRET = "hunter2"


@pytest.fixture
def port() -> int:
    return free_port()


def declared(url: str) -> None:
    with open_connection(url, name="test") as connection:
        declare(connection)


def examined(programs: Programs, **settings: object) -> tuple[int, list[dict[str, Any]]]:
    """The exit code, and every finding."""
    done = programs.run("doctor", "--json", **settings)
    assert SECRET not in done.out + done.err
    assert "Traceback" not in done.err
    assert done.json["ok"] is (done.code == 0)
    return done.code, done.json["findings"]


def bad(findings: list[dict[str, Any]], part: str, state: str = "wrong") -> str:
    """What is said of a part in this state, with the way out."""
    found = [f for f in findings if (f["part"], f["state"]) == (part, state)]
    assert all(f["way_out"] for f in found)
    return "\n".join(f"{f['says']} -> {f['way_out']}" for f in found)


def test_a_site_that_works_is_found_to_be_well(
    programs: Programs, port: int, broker_url: str, database_url: str
) -> None:
    settings = {"broker_url": broker_url, "database_url": database_url, "admin_port": port, "log_format": "json"}
    program = programs.start("run", **settings)
    program.wait_for("broker connected", session="orders")
    program.wait_for("broker connected", session="control")
    program.wait_for("broker connected", session="dead letters")
    code, findings = examined(programs, **settings)
    assert (code, [f for f in findings if f["state"] != "ok"]) == (0, [])
    said = "\n".join(f["says"] for f in findings)
    for words in ("RabbitMQ ", "may publish and consume", "every queue of Comporta is consumed", "PostgreSQL 1"):
        assert words in said
    assert f"Comporta runs on port {port} and is well" in said
    for_people = programs.run("doctor", **settings)
    assert (for_people.code, for_people.out.count("✓")) == (0, len(findings))


def test_the_embedded_default_is_well_before_its_first_start(programs: Programs, port: int) -> None:
    code, findings = examined(programs, admin_port=port)
    assert code == 0
    assert "does not exist yet" in bad(findings, "database", "warning")
    assert not (programs.folder / "comporta.db").exists()


def test_nothing_is_changed_where_nothing_was(programs: Programs, port: int, broker_url: str) -> None:
    code, findings = examined(programs, broker_url=broker_url, admin_port=port)
    assert (code, "not there yet: erp.events" in bad(findings, "broker", "warning")) == (0, True)
    with open_channel(broker_url) as channel, pytest.raises(Exception, match="NOT_FOUND"):
        channel.queue_declare("comporta.stock", passive=True)


@pytest.mark.parametrize(
    ("login", "place", "says"),
    [
        ("guest:hunter2", "", "refuses the login"),
        ("guest:guest", "-nowhere", "refuses the login"),
        ("guest:hunter2", None, "can't be reached"),
    ],
    ids=["password", "vhost", "port"],
)
def test_a_broker_that_does_not_let_us_in_is_named(
    programs: Programs, port: int, broker_url: str, login: str, place: str | None, says: str
) -> None:
    parts = urlsplit(broker_url)
    where = f"{HOST}:{parts.port}{parts.path}{place}" if place is not None else f"{HOST}:{free_port()}/"
    code, findings = examined(programs, broker_url=f"amqp://{login}@{where}", admin_port=port)
    assert code == 1
    assert says in bad(findings, "broker")
    assert "COMPORTA_BROKER_URL" in bad(findings, "broker")


def test_rights_that_lack_are_named_and_no_message_is_left_behind(
    programs: Programs, port: int, rabbitmq: Broker, broker_url: str
) -> None:
    declared(broker_url)
    vhost = unquote(urlsplit(broker_url).path.removeprefix("/"))
    rabbitmq.ctl("add_user", vhost, SECRET)
    rabbitmq.ctl("set_permissions", "--vhost", vhost, vhost, "^erp", "^(comporta|erp|shop)", "^comporta.stock$")
    url = broker_url.replace("guest:guest", f"{vhost}:{SECRET}")
    code, findings = examined(programs, broker_url=url, admin_port=port)
    found = bad(findings, "broker")
    assert code == 1
    assert "may not publish to the default exchange (replies)" in found
    assert "may not consume comporta.products" in found
    assert "may not declare or bind" in found
    assert "comporta.stock," not in found.partition("may not consume")[2]
    assert "erp.orders" not in found.partition("may not publish")[2].partition("->")[0]
    counts = rabbitmq.ctl("list_queues", "--vhost", vhost, "--no-table-headers", "messages")
    assert set(counts.split()) == {"0"}


def test_a_queue_of_another_kind_is_named(programs: Programs, port: int, broker_url: str) -> None:
    with open_channel(broker_url) as channel:
        channel.queue_declare("comporta.stock", durable=True)
    code, findings = examined(programs, broker_url=broker_url, admin_port=port)
    found = bad(findings, "broker")
    assert (code, "comporta.stock exists with other properties" in found, "quorum" in found) == (1, True, True)


def test_queues_that_nobody_consumes_and_a_backlog_are_named(
    programs: Programs, port: int, broker_url: str, sqlite_url: str
) -> None:
    declared(broker_url)
    with open_channel(broker_url) as channel:
        channel.basic_publish("shop.orders", "main", b"{}")
        channel.basic_publish("erp.orders", "main", b"{}")
    code, findings = examined(programs, broker_url=broker_url, database_url=sqlite_url, admin_port=port)
    found = bad(findings, "broker", "warning")
    assert code == 0
    assert "no consumer on comporta.products" in found
    assert "1 orders wait in erp.orders, which has no consumer" in found
    assert any("comporta.orders 1" in f["says"] for f in findings)


def test_the_queue_of_a_shop_is_looked_at_where_it_has_one(
    programs: Programs, port: int, broker_url: str, sqlite_url: str
) -> None:
    declared(broker_url)
    settings = {"broker_url": broker_url, "database_url": sqlite_url, "admin_port": port}
    _, findings = examined(programs, erp_order_queues="norte", **settings)
    assert "not there yet: erp.orders.norte" in [f["says"] for f in findings]
    with open_connection(broker_url, name="test") as connection:
        declare_queues(connection, [orders_queue("norte")])
    with open_channel(broker_url) as channel:
        channel.basic_publish("", "erp.orders.norte", b"{}")
    _, findings = examined(programs, erp_order_queues="norte", **settings)
    assert "1 orders wait in erp.orders.norte, which has no consumer" in bad(findings, "broker", "warning")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://ana:hunter2@127.0.0.1:1/x", "can't be reached"),
        ("empty", "comporta migrate"),
    ],
)
def test_a_database_that_can_not_be_used_is_named(
    programs: Programs, postgres: Database, port: int, url: str, says: str
) -> None:
    used = postgres.new_empty_database() if url == "empty" else url
    code, findings = examined(programs, database_url=used, admin_port=port)
    assert (code, says in bad(findings, "database")) == (1, True)


def test_rights_on_tables_and_who_hangs_in_the_fence_are_named(
    programs: Programs, postgres: Database, port: int, database_url: str
) -> None:
    name = urlsplit(database_url).path.removeprefix("/")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN".encode())
        connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}".encode())
        connection.execute(f"GRANT INSERT, UPDATE, DELETE ON stock TO {name}".encode())
    poor = database_url.replace("comporta@", f"{name}@")
    with psycopg.connect(database_url) as holder:
        holder.execute("SELECT pg_advisory_xact_lock_shared(x'434F4D50'::int, 1)")
        wait_until(lambda: _transaction_age(holder) > 2, what="the transaction to be old")
        code, findings = examined(programs, database_url=database_url, admin_port=port)
        assert code == 0
        assert "has been inside the fence for" in bad(findings, "database", "warning")
    code, findings = examined(programs, database_url=poor, admin_port=port)
    found = bad(findings, "database")
    assert (code, "INSERT on orders" in found, "INSERT on stock" in found) == (1, True, False)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"DROP OWNED BY {name}".encode())
        connection.execute(f"DROP ROLE {name}".encode())


def _transaction_age(connection: psycopg.Connection[Any]) -> float:
    row = connection.execute("SELECT extract(epoch FROM clock_timestamp() - now())").fetchone()
    assert row is not None
    return float(row[0])


def test_a_file_that_somebody_else_writes_is_named(programs: Programs, port: int, sqlite_url: str) -> None:
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        code, findings = examined(programs, database_url=sqlite_url, admin_port=port)
        other.execute("ROLLBACK")
    assert (code, "nothing can be written" in bad(findings, "database")) == (1, True)


def test_settings_operators_and_ports_are_looked_at(programs: Programs, rabbitmq: Broker, port: int) -> None:
    code, findings = examined(programs, admin_port=rabbitmq.port, operators_file="nowhere.toml", adminport=1)
    assert code == 1
    assert "can't be listened on" in bad(findings, "ports")
    assert "nowhere.toml does not exist" in bad(findings, "operators")
    assert "did you mean COMPORTA_ADMIN_PORT?" in bad(findings, "settings", "warning")
    code, findings = examined(programs, broker_url=f"http://x:{SECRET}@y", batch_size="many")
    assert (code, {f["part"] for f in findings}, len(findings)) == (1, {"settings"}, 2)


def test_an_erp_that_can_not_be_reached_is_named(programs: Programs, port: int) -> None:
    code, findings = examined(programs, admin_port=port, erp_url=f"http://ana:{SECRET}@{HOST}:{free_port()}/x")
    assert (code, "can't be reached" in bad(findings, "ERP")) == (1, True)


def test_the_settings_are_shown_with_their_places_and_without_secrets(programs: Programs) -> None:
    (programs.folder / ".env").write_text("COMPORTA_BATCH_SIZE=10\n")
    settings = {"database_url": f"postgresql://ana:{SECRET}@host/x", "token": SECRET, "erp_token": SECRET}
    shown = programs.run("config", "show", "--json", **settings)
    rows = {row["name"]: row for row in shown.json}
    assert (rows["COMPORTA_BATCH_SIZE"]["value"], rows["COMPORTA_BATCH_SIZE"]["source"]) == (10, ".env")
    assert rows["COMPORTA_TOKEN"] == {"name": "COMPORTA_TOKEN", "value": "(hidden)", "source": "environment"}
    for_people = programs.run("config", "show", **settings)
    assert "postgresql+psycopg://ana:***@host/x" in for_people.out
    assert SECRET not in shown.out + shown.err + for_people.out + for_people.err


def test_all_faults_of_the_settings_are_named_at_once(programs: Programs) -> None:
    good = programs.run("config", "validate", batchsize=1)
    assert (good.code, "did you mean COMPORTA_BATCH_SIZE?" in good.err) == (0, True)
    faulty = {"batch_size": "many", "admin_port": 99_999}
    bad = programs.run("config", "validate", **faulty)
    assert (bad.code, "COMPORTA_BATCH_SIZE: " in bad.err, "COMPORTA_ADMIN_PORT: " in bad.err) == (2, True, True)
    as_json = programs.run("config", "validate", "--json", **faulty)
    assert (as_json.code, as_json.json["ok"], len(as_json.json["faults"])) == (2, False, 2)
    open_to_all = programs.run("config", "validate", admin_host="0.0.0.0")
    assert (open_to_all.code, "COMPORTA_ADMIN_HOST" in open_to_all.err) == (2, True)


def test_the_version_is_that_of_the_package(programs: Programs) -> None:
    as_json = programs.run("version", "--json").json
    assert as_json.keys() == {"version", "revision", "python"}
    assert f"comporta {as_json['version']} " in programs.run("version").out
    assert as_json["version"] != "0+unknown"
