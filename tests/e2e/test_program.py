"""The program as people use it: commands, exit codes, errors, the demo, stopping."""

from __future__ import annotations

import json
import signal

import httpx
import pytest

from tests.support.programs import Program, Programs, is_answering
from tests.support.services.ports import free_port
from tests.support.wait import wait_until


@pytest.fixture
def port() -> int:
    return free_port()


def started(programs: Programs, port: int, **settings: object) -> Program:
    program = programs.start("run", ADMIN_PORT=port, **settings)
    program.wait_for("listening")
    return program


def test_an_operator_pauses_looks_and_resumes(programs: Programs, port: int) -> None:
    program = started(programs, port)
    assert programs.run("status", "--check", ADMIN_PORT=port).code == 0
    paused = programs.run(
        "pause", "--reason", "stock count", "--domain", "stock", "--for", "2h", "--json", ADMIN_PORT=port
    )
    assert (paused.code, paused.json["result"], paused.json["epoch"]) == (0, "off", 1)
    assert paused.json["still_off"][0]["until"] is not None
    assert programs.run("status", "--check", ADMIN_PORT=port).code == 1
    refused = programs.run("pause", "--reason", "x", "--until", "2020-01-01T00:00:00Z", ADMIN_PORT=port)
    assert refused.code == 3
    assert programs.run("resume", "--reason", "done", "--domain", "stock", "--wait", ADMIN_PORT=port).code == 0
    audit = programs.run("audit", "--json", ADMIN_PORT=port).json
    assert [row["result"] for row in audit] == ["on", "refused", "off"]
    assert programs.run("missed", "list", "--json", ADMIN_PORT=port).json == []
    assert programs.run("quarantine", "show", "nothing", ADMIN_PORT=port).code == 1
    assert program.stop() == 0


@pytest.mark.parametrize(
    ("arguments", "settings", "code", "says"),
    [
        (("status",), {}, 1, "comporta run"),
        (("worker",), {}, 2, "memory://"),
        (("run",), {"BROKER_URL": "ftp://x", "BATCH_SIZE": "many"}, 2, "COMPORTA_BATCH_SIZE"),
        (("run",), {"ADMIN_HOST": "0.0.0.0"}, 2, "loopback"),
        (("pause",), {}, 2, "--reason"),
        (("pause", "--reason", "x", "--for", "1:30"), {}, 2, "duration"),
        (("pause", "--reason", "x", "--shop", "NO"), {}, 2, "shop"),
    ],
)
def test_a_mistake_is_named_with_the_way_out(
    programs: Programs, port: int, arguments: tuple[str, ...], settings: dict[str, str], code: int, says: str
) -> None:
    done = programs.run(*arguments, **{"ADMIN_PORT": port, **settings})
    assert done.code == code
    assert says in done.err
    assert "Traceback" not in done.err


def test_the_api_refuses_what_a_page_elsewhere_could_send(programs: Programs, port: int) -> None:
    program = started(programs, port)
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=program.bearer)
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/api/status", headers={"host": "evil.example"}).status_code == 400
    assert client.post("/api/pause", content='{"reason":"x"}').status_code == 415
    big = json.dumps({"reason": "x" * 100_000})
    assert client.post("/api/pause", content=big, headers={"content-type": "application/json"}).status_code == 413
    wrong = client.post("/api/pause", json={"reason": "x", "domain": "stock"})
    assert (wrong.status_code, wrong.json()["result"]) == (400, "refused")
    assert client.get("/api/status").json()["epoch"] == 0


def test_a_pause_ends_by_itself_without_traffic(programs: Programs, port: int) -> None:
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}/api", headers=started(programs, port).bearer)
    assert programs.run("pause", "--reason", "short", "--for", "1s", ADMIN_PORT=port).code == 0
    actions = ["expire", "pause"]
    wait_until(lambda: [row["action"] for row in client.get("/audit").json()] == actions, what="the end")
    assert client.get("/status").json()["effective"]["main"]["stock"] == "on"


def test_the_demo_accounts_for_every_event_and_quarantines_the_wrong_gtin(programs: Programs, port: int) -> None:
    demo = programs.start("demo", "--port", str(port))
    url = f"http://127.0.0.1:{port}/api/quarantine?domain=products"
    wait_until(lambda: f"127.0.0.1:{port}" in demo.output, what="the address")
    wait_until(lambda: is_answering(url, demo.bearer), what="the API")
    found = wait_until(
        lambda: [row for row in httpx.get(url, headers=demo.bearer).json() if row["reason"] == "gtin_check_digit"],
        what="the wrong GTIN in the quarantine",
    )
    address = f"http://127.0.0.1:{port}/api/quarantine/{found[-1]['id']}"
    message = httpx.get(address, headers=demo.bearer).json()
    assert "7997846900945" in message["body"]
    [order, *_] = wait_until(
        lambda: programs.run("orders", "list", "--state", "internalized", "--json", ADMIN_PORT=port).json,
        what="an order to have the ERP's number",
    )
    shown = programs.run("orders", "show", order["order_id"], "--json", ADMIN_PORT=port).json
    assert shown["payload"]["order_id"] == order["order_id"]
    retried = programs.run("orders", "retry", order["order_id"], ADMIN_PORT=port)
    assert (retried.code, "internalized already" in retried.err) == (1, True)
    assert demo.stop(signal.SIGINT) == 0
    assert "difference 0" in demo.output


def test_the_demo_ends_by_itself(programs: Programs, port: int) -> None:
    done = programs.run("demo", "--seconds", "2", "--port", str(port))
    assert (done.code, "difference 0" in done.out) == (0, True)


def test_the_same_on_real_parts(programs: Programs, port: int, broker_url: str, database_url: str) -> None:
    real = {"BROKER_URL": broker_url, "DATABASE_URL": database_url, "ADMIN_PORT": port}
    program = programs.start("run", **real)
    program.wait_for("listening")
    program.wait_for("broker connected", session="control")
    assert programs.run("pause", "--reason", "x", **real).code == 0
    assert programs.run("status", "--json", **real).json["effective"]["main"]["stock"] == "off"
    assert programs.run("resume", "--reason", "x", "--json", **real).json["result"] == "on"
    assert program.stop() == 0


def test_a_worker_without_tables_says_what_to_do(programs: Programs, broker_url: str) -> None:
    done = programs.run("status", BROKER_URL=broker_url, DATABASE_URL="sqlite:///empty.db")
    assert done.code == 1
    assert "comporta migrate" in done.err
    assert programs.run("migrate", DATABASE_URL="sqlite:///empty.db").code == 0
    assert programs.run("status", BROKER_URL=broker_url, DATABASE_URL="sqlite:///empty.db").code == 0


@pytest.mark.parametrize("away", ["broker", "database"])
def test_a_stop_is_obeyed_while_something_is_away(
    programs: Programs, broker_url: str, database_url: str, away: str
) -> None:
    nowhere = free_port()
    settings = {
        "BROKER_URL": f"amqp://127.0.0.1:{nowhere}/" if away == "broker" else broker_url,
        "DATABASE_URL": f"postgresql://x@127.0.0.1:{nowhere}/x" if away == "database" else database_url,
    }
    worker = programs.start("worker", **settings)
    worker.wait_for(f"{away} away")
    assert worker.stop() == 0
