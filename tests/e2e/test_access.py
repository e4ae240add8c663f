"""Who may, as people meet it: operators in a file, the link without one, and a page without a worker."""

from __future__ import annotations

import stat
from pathlib import Path

import httpx
import pytest

from control.auth.operators import read_operators
from control.auth.operators_edit import add_operator, remove_operator
from control.auth.tokens import Role, digest_of
from tests.support.programs import Program, Programs
from tests.support.services.ports import free_port
from tests.support.wait import wait_until


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def file(programs: Programs) -> Path:
    return programs.folder / "operators.toml"


def started(programs: Programs, port: int, **settings: object) -> Program:
    program = programs.start("run", ADMIN_PORT=port, LOG_LEVEL="DEBUG", **settings)
    program.wait_for("listening")
    return program


def last_audit(client: httpx.Client) -> tuple[str, str]:
    row = client.get("/api/audit").json()[0]
    return row["by"], row["user_id"]


def test_operators_come_and_go_while_it_runs_and_the_audit_says_who_it_was(
    programs: Programs, port: int, file: Path
) -> None:
    operator = add_operator(file, "ana", Role.OPERATOR)
    program = started(programs, port, OPERATORS_FILE=file)
    ana = httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"authorization": f"Bearer {operator}"})
    assert ana.post("/api/pause", json={"reason": "x", "by": "nightly job"}).json()["result"] == "off"
    assert last_audit(ana) == ("ana", "ana")
    # The name in a message is free text: everybody sees the one that was authenticated.
    assert [switch["by"] for switch in ana.get("/api/status").json()["switches"] if switch["off"]] == ["ana"]
    banner = ana.get("/", headers={"accept": "text/html"}).text
    assert "ana" in banner
    assert "nightly job" not in banner
    assert ana.post("/api/resume", json={"reason": "x"}).json()["result"] == "on"
    assert last_audit(ana) == ("ana", "ana")
    assert ana.post("/api/pause", json={"scope": "typo"}).status_code == 400
    assert last_audit(ana) == ("ana", "ana")
    viewer = add_operator(file, "rui", Role.VIEWER)
    rui = {"authorization": f"Bearer {viewer}"}
    assert ana.get("/api/status", headers=rui).status_code == 200
    assert ana.post("/api/pause", json={"reason": "x"}, headers=rui).status_code == 403
    remove_operator(file, "rui")
    assert ana.get("/api/status", headers=rui).status_code == 401
    assert ana.get("/api/status").status_code == 200
    assert program.stop() == 0
    assert "/?token=" not in program.output
    for secret in (operator, viewer):
        assert secret not in program.output
        assert secret not in file.read_text()


def test_a_command_shows_its_token_and_says_what_to_do_when_that_is_not_enough(
    programs: Programs, port: int, file: Path
) -> None:
    viewer = add_operator(file, "rui", Role.VIEWER)
    started(programs, port, OPERATORS_FILE=file)
    assert programs.run("status", ADMIN_PORT=port, TOKEN=viewer).code == 0
    for words, token, says in (
        (("status",), "", "COMPORTA_TOKEN is not set"),
        (("status",), "comporta_wrong", "COMPORTA_TOKEN is not a valid token there"),
        (("pause", "--reason", "x"), viewer, "COMPORTA_TOKEN belongs to a viewer"),
    ):
        done = programs.run(*words, ADMIN_PORT=port, TOKEN=token)
        assert (done.code, done.out) == (1, "")
        assert says in done.err


def test_the_commands_for_operators_name_every_mistake(programs: Programs, file: Path) -> None:
    added = programs.run("operator", "add", "ana", "--role", "operator", OPERATORS_FILE=file)
    assert (added.code, added.err) == (0, "")
    [holder] = read_operators(file)
    assert holder.digest == digest_of(added.out.splitlines()[-1])
    listed = programs.run("operator", "list", "--json", OPERATORS_FILE=file).json
    assert listed == [{"name": "ana", "role": "operator", "shops": []}]
    for words, code, says in (
        (("add", "ana", "--role", "viewer", "--file", str(file)), 1, "names ana already"),
        (("add", "rui", "--role", "admin", "--file", str(file)), 2, "admin"),
        (("add", "rui", "--role", "viewer"), 2, "COMPORTA_OPERATORS_FILE"),
        (("remove", "rui", "--file", str(file)), 1, "does not name rui; it names ana"),
        (("list", "--file", "/nowhere/operators.toml"), 1, "/nowhere/operators.toml"),
    ):
        done = programs.run("operator", *words)
        assert (done.code, done.out) == (code, "")
        assert says in done.err
        assert "Traceback" not in done.err


def test_a_faulty_operators_file_keeps_it_from_starting(programs: Programs, port: int, file: Path) -> None:
    file.write_text('[[operator]]\nname = "ana"\nrole = "boss"\ntoken_sha256 = "hunter2"\n')
    done = programs.run("run", ADMIN_PORT=port, OPERATORS_FILE=file)
    assert done.code == 2
    assert f"COMPORTA_OPERATORS_FILE: {file}" in done.err
    assert "number 1, role: must be viewer, operator or erp" in done.err
    assert "hunter2" not in done.err


def test_without_operators_the_link_lets_in_and_is_in_a_file_of_the_users_own(programs: Programs, port: int) -> None:
    program = started(programs, port)
    token = program.token
    assert token not in program.output
    file = programs.folder / "comporta" / f"{port}.link"
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == (f"http://127.0.0.1:{port}/?token={token}\n", 0o600)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"accept": "text/html"}) as browser:
        assert browser.get("/").headers["location"] == "/login"
        assert browser.get(f"/?token={token}").headers["location"] == "/"
        assert browser.get("/api/status").status_code == 200
        paused = browser.post("/api/pause", json={"reason": "x"}, headers={"origin": f"http://127.0.0.1:{port}"})
        assert paused.json()["result"] == "off"
        assert last_audit(browser) == ("local", "local")
    assert programs.run("status", ADMIN_PORT=port).code == 0
    database = programs.folder / "comporta.db"
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in database.parent.glob("comporta.db*")}
    assert modes == dict.fromkeys(("comporta.db", "comporta.db-shm", "comporta.db-wal"), 0o600)
    assert program.stop() == 0
    assert not file.exists()


def test_a_removed_operators_live_stream_ends(programs: Programs, port: int, file: Path) -> None:
    token = add_operator(file, "ana", Role.VIEWER)
    started(programs, port, OPERATORS_FILE=file)
    url, headers = f"http://127.0.0.1:{port}/api/events", {"authorization": f"Bearer {token}"}
    with httpx.stream("GET", url, headers=headers, timeout=30) as stream:
        lines = stream.iter_lines()
        wait_until(lambda: next(lines).startswith("data:"), what="the first state")
        remove_operator(file, "ana")
        # Ends by itself: what follows would otherwise go on until the time is up.
        for _ in lines:
            pass


def test_the_page_runs_without_a_worker_and_several_times(
    programs: Programs, file: Path, broker_url: str, database_url: str
) -> None:
    headers = {"authorization": f"Bearer {add_operator(file, 'ana', Role.OPERATOR)}"}
    real = {"BROKER_URL": broker_url, "DATABASE_URL": database_url, "OPERATORS_FILE": file}
    clients = []
    for _ in range(2):
        port = free_port()
        programs.start("admin", ADMIN_PORT=port, **real).wait_for("listening")
        clients.append(httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers))
    first, second = clients
    assert first.post("/api/pause", json={"reason": "x"}).json()["result"] == "off"
    document = second.get("/api/status").json()
    assert (document["effective"]["main"]["stock"], document["workers"]) == ("off", [])
    assert second.get("/healthz").status_code == 200
    assert "comporta_switch_off" in second.get("/metrics").text


def test_the_page_alone_cannot_have_the_embedded_broker(programs: Programs) -> None:
    done = programs.run("admin")
    assert (done.code, "memory://" in done.err) == (2, True)
