"""The guides of the first day: each command is run, in order, and the two languages show the same commands."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.support.example_programs import FOLDER
from tests.support.services.ports import HOST, free_port
from tests.support.services.postgres import Database

GUIDES = FOLDER.parent / "docs" / "first-day"
PEOPLE = ("erp", "shop", "operations")
# A score of commands, each of which starts a Python.
SECONDS = 280


def blocks(name: str, language: str = "sh") -> list[str]:
    """Return what stands between the fences of one language of a guide."""
    text = (GUIDES / f"{name}.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", PEOPLE)
@pytest.mark.slow
def test_every_command_of_a_guide_does_what_it_says(
    name: str, broker_url: str, postgres: Database, tmp_path: Path
) -> None:
    database = postgres.new_empty_database()
    port = free_port()
    # Roles belong to the whole server.
    reader = f"reader_{port}"
    places = {
        "postgresql://shop_reader:reader@127.0.0.1:5432/postgres": _as_reader(database, reader),
        "shop_reader": reader,
        "amqp://guest:guest@127.0.0.1:5672": broker_url,
        "postgresql://postgres@127.0.0.1:5432/postgres": database,
        "127.0.0.1:8080": f"{HOST}:{port}",
    }
    script = "set -eu -o pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" + "\n".join(blocks(name))
    for shown, real in places.items():
        script = script.replace(shown, real)
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "LC_ALL": "C.UTF-8",
        "COMPORTA_ADMIN_PORT": str(port),
    }
    said = _run(script, environment, tmp_path)
    for shown in "".join(blocks(name, "text")).splitlines():
        pattern = re.sub(r"\d+", r"\\d+", re.escape(shown)).replace("…", ".*")
        assert re.search(pattern, said), f"{shown}\n\n{said}"
    if name == "shop":
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(f"DROP OWNED BY {reader}; DROP ROLE {reader}".encode())
    postgres.drop_database(database)


def test_the_commands_of_the_installation_make_users_files_and_services(postgres: Database, tmp_path: Path) -> None:
    server = urlsplit(postgres.url("postgres"))
    role = f"install_{free_port()}"
    # What belongs to the machine is noted, what belongs to Comporta is done; the wheel has its own test.
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("useradd", "systemctl", "rabbitmqctl", "curl"):
        stub = programs / name
        stub.write_text(f'#!/bin/sh\necho "{name} $*" >> {tmp_path}/noted\n')
        stub.chmod(0o755)
    for folder in ("etc", "units", "state", "postgres"):
        (tmp_path / folder).mkdir()
    program = Path(sys.executable).with_name("comporta")
    places = {
        r"sudo (-u \w+ )?(?=COMPORTA_)": "env ",
        r"sudo (-u \w+ )?": "",
        r"(install .*?)-o \w+ (-g \w+ )?": r"\1",
        "/etc/systemd/system": f"{tmp_path}/units",
        "/etc/comporta": f"{tmp_path}/etc/comporta",
        "/var/lib/comporta": f"{tmp_path}/state/comporta",
        "/var/lib/postgresql": f"{tmp_path}/postgres",
        "/opt/comporta/bin/comporta": str(program),
        "deploy/": f"{FOLDER.parent}/deploy/",
    }
    script = "set -eu -o pipefail\n" + "\n".join(blocks("install")[1:-1])
    for shown, real in places.items():
        script = re.sub(shown, real, script)
    environment = {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PGHOST": server.hostname or "",
        "PGPORT": str(server.port),
        "PGUSER": server.username or "",
        "PGPASSWORD": server.password or "",
        "COMPORTA_ROLE": role,
        "LC_ALL": "C.UTF-8",
    }
    said = _run(script, environment, tmp_path)
    noted = (tmp_path / "noted").read_text()
    users = json.loads((tmp_path / "with-users.json").read_text())["users"]
    assert {user["name"] for user in users} == {"erp", "shop-main", "operator-ana"}
    for expected in (
        "useradd --system",
        "import_definitions with-users.json",
        "systemctl enable --now comporta-worker",
        "/readyz",
    ):
        assert expected in noted, noted
    password = (tmp_path / "etc/comporta/database_password").read_text().strip()
    assert len(password) == 48
    url = server._replace(netloc=f"{role}:{password}@{server.hostname}:{server.port}", path=f"/{role}").geturl()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT current_user").fetchone() == (role,)
    assert re.search(r"^comporta_[\w-]{43}$", said, re.MULTILINE)
    assert sorted(path.name for path in (tmp_path / "units").iterdir()) == [
        "comporta-admin.service",
        "comporta-migrate.service",
        "comporta-worker.service",
    ]
    postgres.drop_database(url)
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(f"DROP ROLE {role}".encode())


def _run(script: str, environment: dict[str, str], folder: Path) -> str:
    """Run a script to its end, and return what it says; nothing that it has started outlives it."""
    output, log = folder / "output.txt", folder / "comporta.log"
    with output.open("wb") as file:
        shell = subprocess.Popen(
            ["bash", "-xc", script],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code: object = shell.wait(SECONDS)
        except subprocess.TimeoutExpired:
            code = f"after {SECONDS} s"
        with contextlib.suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)
    said = output.read_text(encoding="utf-8", errors="replace")
    assert code == 0, f"{code}\n{said[-6000:]}\n{log.read_text()[-2000:] if log.exists() else ''}"
    return said


def _as_reader(url: str, role: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{role}:reader@{parts.hostname}:{parts.port}").geturl()


@pytest.mark.parametrize("name", sorted(path.stem for path in GUIDES.glob("*.md") if not path.stem.endswith(".pt-BR")))
def test_both_languages_show_the_same_commands_and_every_link_leads_somewhere(name: str) -> None:
    assert blocks(name) == blocks(f"{name}.pt-BR")
    for page in (name, f"{name}.pt-BR"):
        text = (GUIDES / f"{page}.md").read_text(encoding="utf-8")
        for link in re.findall(r"\]\(([^)#]+)", text):
            assert link.startswith("http") or (GUIDES / link).exists(), link
