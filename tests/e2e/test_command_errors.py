"""Errors around a command: full disks, closed streams, unknown words, broken requests."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.programs import CompletedCommand, Program, Programs, running_programs
from tests.support.services.ports import free_port
from tests.support.wait import wait_until

ROOT = Path(__file__).resolve().parents[2]
BATCH = {"content-type": "application/cloudevents-batch+json"}
DRAWS = "done\x1b[2J\nIntegration: On"


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    """Programs that end with this module."""
    with running_programs(tmp_path_factory.mktemp("mistakes")) as programs:
        yield programs


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def embedded(programs: Programs, port: int) -> Program:
    """The embedded Comporta of this module."""
    program = programs.start("run", ADMIN_PORT=port, DATABASE_URL=f"sqlite:///{programs.folder / 'comporta.db'}")
    program.wait_for("listening")
    return program


@pytest.fixture
def bad(programs: Programs) -> Path:
    """A file of two lines that are no events."""
    path = programs.folder / "bad.jsonl"
    path.write_text("bad\nworse\n")
    return path


def in_a_shell(programs: Programs, words: str, **environment: str) -> CompletedCommand:
    """Runs `comporta` with what only a shell can do to its streams."""
    command = f'exec "{sys.executable}" -m comporta {words}'
    inherited = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
    inherited["XDG_RUNTIME_DIR"] = str(programs.folder)
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=programs.folder,
        env=inherited | environment,
        capture_output=True,
        check=False,
        timeout=120,
    )
    return CompletedCommand(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


def test_rejects_that_cannot_be_kept_are_said_and_the_summary_still_adds_up(programs: Programs, bad: Path) -> None:
    done = programs.run("validate", "--offline", str(bad), "--rejects", "/dev/full")
    assert done.code == 1
    assert "/dev/full can't be written (No space left on device)" in done.err
    assert "read 2 = 2 refused" in done.out
    assert "Traceback" not in done.err


def test_the_file_that_is_read_is_never_emptied_for_rejects(programs: Programs, bad: Path) -> None:
    done = programs.run("publish", str(bad), "--rejects", f"./{bad.name}")
    assert (done.code, bad.read_text()) == (2, "bad\nworse\n")


def test_a_run_that_goes_on_keeps_the_rejects_of_the_run_before(programs: Programs, bad: Path) -> None:
    rejects = programs.folder / "rejects.jsonl"
    for skip in ("0", "1"):
        programs.run("validate", "--offline", str(bad), "--rejects", str(rejects), "--skip", skip)
    assert len(rejects.read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("validate --offline - <&-", "standard input is closed"),
        ("schema --domain stock >/dev/full", "No space left on device"),
        ("pause --reason x --timeout inf", "--timeout"),
        ("status --watch --json", "--watch"),
        ("missed list --domain stocks", "not a domain"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_no_traceback(programs: Programs, words: str, says: str) -> None:
    done = in_a_shell(programs, words)
    assert done.code in {1, 2}
    assert says in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("identity", ["", "x/../../status", "a\nb"])
def test_an_id_that_is_none_finds_nothing(programs: Programs, embedded: Program, port: int, identity: str) -> None:
    done = programs.run("quarantine", "show", identity, "--json", ADMIN_PORT=port)
    assert (done.code, done.out) == (1, "")
    assert "is in the quarantine" in done.err
    assert "Traceback" not in done.err


def test_a_reason_does_not_draw_on_the_terminal_of_others(programs: Programs, embedded: Program, port: int) -> None:
    done = programs.run("pause", "--reason", DRAWS, "--shop", "drawn", "--new-shop", ADMIN_PORT=port)
    seen = programs.run("status", ADMIN_PORT=port)
    assert done.code == 0
    for out in (done.out, seen.out):
        assert "\x1b" not in out
        assert not any(line.startswith("Integration: On") for line in out.splitlines())


def test_a_terminal_without_accents_does_not_make_a_pause_look_failed(
    programs: Programs, embedded: Program, port: int
) -> None:
    words = "pause --reason x --shop plain --new-shop"
    done = in_a_shell(programs, words, LC_ALL="pt_BR", PYTHONIOENCODING="ascii", COMPORTA_ADMIN_PORT=str(port))
    assert done.code == 0
    assert "Integra??o Desligada" in done.out


def test_another_program_on_the_port_is_named_as_such(programs: Programs) -> None:
    other = free_port()
    server = programs.start("--bind", "127.0.0.1", str(other), module="http.server")
    wait_until(lambda: "Serving" in server.output, what="the other program")
    for words in (("status",), ("pause", "--reason", "x"), ("quarantine", "show", "x")):
        done = programs.run(*words, ADMIN_PORT=other)
        assert done.code == 1
        assert "Traceback" not in done.err


def test_an_upload_that_breaks_off_leaves_no_traceback_in_the_log(embedded: Program, port: int) -> None:
    head = b"POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/cloudevents+json\r\n"
    head += f"Authorization: Bearer {embedded.token}\r\n".encode()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(head + b"Transfer-Encoding: chunked\r\n\r\nno chunk\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 400")
    assert httpx.get(f"http://127.0.0.1:{port}/healthz").json() == {"status": "ok"}
    assert "Traceback" not in embedded.output


def test_a_batch_of_pieces_too_small_to_be_events_is_answered_shortly(embedded: Program, port: int) -> None:
    answer = httpx.post(
        f"http://127.0.0.1:{port}/events", content=b"[" + b"1," * 500_000 + b"1]", headers=BATCH | embedded.bearer
    )
    assert (answer.status_code, answer.json()["errors"][0]["reason"]) == (400, "batch_format")
    assert len(answer.content) < 1_000


def test_a_broker_that_comporta_has_never_seen_is_named_at_once(programs: Programs, broker_url: str) -> None:
    done = programs.run("pause", "--reason", "x", "--timeout", "50", BROKER_URL=broker_url)
    assert done.code == 1
    assert "has any worker run on this broker yet" in done.err
