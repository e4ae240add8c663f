"""No command and no log shows a part of a password, whatever stands in the URL."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.programs import Programs
from tests.support.services.ports import HOST, free_port

PARTS = ("hunter1", "hunter2", "70607")
PASSWORDS = [
    "hunter1@hunter2",
    "hunter1%40hunter2",
    "70607/hunter2",
    "70607#hunter2",
    "70607?hunter2",
    "a:b;hunter1,70607",
]
COMMANDS = [
    ("doctor",),
    ("pause", "--reason", "a test", "--timeout", "2"),
    ("status",),
    ("migrate",),
    ("missed", "resync"),
    ("simulate", "--seconds", "1"),
]


@pytest.mark.parametrize("password", PASSWORDS)
def test_no_command_shows_a_part_of_a_password(programs: Programs, password: str) -> None:
    place = f"{HOST}:{free_port()},{HOST}:{free_port()}"
    settings = {
        "broker_url": f"amqp://ana:{password}@{place}/v",
        "database_url": f"postgresql://ana:{password}@{place}/shop",
    }
    for command in COMMANDS:
        done = programs.run(*command, **settings)
        assert done.code != 0
        for part in PARTS:
            assert part not in done.out + done.err, command
        assert "Traceback" not in done.err


def test_no_log_shows_a_part_of_a_password(programs: Programs, tmp_path: Path, sqlite_url: str) -> None:
    (tmp_path / "password").write_text("hunter1@hunter2/70607\n")
    nodes = f"{HOST}:{free_port()},{HOST}:{free_port()}"
    settings = {"broker_url": f"amqp://{nodes}/v", "broker_user": "ana", "broker_password_file": tmp_path / "password"}
    program = programs.start("run", database_url=sqlite_url, admin_port=free_port(), log_format="json", **settings)
    program.wait_for("broker away", session="control")
    program.wait_for("broker away", session="events")
    assert program.stop() == 0
    assert not any(part in program.output for part in PARTS)
    assert program.logged("broker away")[0]["broker"] == f"amqp://ana@{nodes}/v"
