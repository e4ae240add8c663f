"""A pause that no worker answers over the broker is made over HTTP, if the command knows where."""

from __future__ import annotations

from pathlib import Path

from broker.connection import open_connection
from broker.declare import declare
from tests.support.programs import Programs, is_answering
from tests.support.services.ports import HOST, free_port
from tests.support.wait import wait_until


def test_a_pause_without_any_worker_is_made_over_http(
    programs: Programs, tmp_path: Path, broker_url: str, database_url: str
) -> None:
    with open_connection(broker_url, name="test") as connection:
        declare(connection)
    operators = tmp_path / "operators.toml"
    token = programs.run("operator", "add", "ana", "--role", "operator", "--file", str(operators)).out.split()[-1]
    port = free_port()
    settings = {"broker_url": broker_url, "database_url": database_url, "log_format": "json"}
    programs.start("admin", admin_port=port, operators_file=operators, **settings)
    wait_until(lambda: is_answering(f"http://{HOST}:{port}/healthz"), what="the page")

    lost = programs.run("pause", "--reason", "a test", "--timeout", "0.5", **settings)
    assert (lost.code, "POST /api/pause" in lost.err) == (1, True)

    known = {"public_url": f"http://{HOST}:{port}", "token": token}
    done = programs.run("pause", "--reason", "a test", "--timeout", "1", "--json", **settings, **known)
    assert (done.code, done.json["result"]) == (0, "off"), done.err
    assert f"asking http://{HOST}:{port} over HTTP instead" in done.err
    assert programs.run("status", "--check", **settings).code == 1
