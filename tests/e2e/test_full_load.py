"""`comporta publish --full-load` and `comporta loads`, on real parts and on the embedded default."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.event_samples import sample_event
from tests.support.programs import CompletedCommand, Programs, running_programs
from tests.support.services.ports import free_port
from tests.support.wait import wait_until

SCOPE = ("--shop", "main", "--domain", "products")


class LoadDeployment:
    """A running Comporta, and commands that are given to it."""

    def __init__(self, programs: Programs, settings: dict[str, Any], folder: Path) -> None:
        self.programs, self.settings, self.folder = programs, settings, folder
        program = programs.start("run", **settings)
        program.wait_for("listening")
        program.wait_for("broker connected", session="events")

    def run(self, *arguments: str) -> CompletedCommand:
        """Run a command to its end."""
        return self.programs.run(*arguments, **self.settings)

    def publish(self, name: str, rows: list[tuple[str, int]], *options: str) -> CompletedCommand:
        """Publish a file of products, each with its version."""
        path = self.folder / name
        path.write_bytes(
            b"\n".join(
                sample_event("products", envelope={"sequence": str(version), "id": f"{code}-{version}"}, code=code)
                for code, version in rows
            )
        )
        return self.run("publish", str(path), *SCOPE, *options)

    def load(self, load_id: str) -> dict[str, Any]:
        """Return a load as `loads show` says it."""
        done = self.run("loads", "show", load_id, *SCOPE, "--json")
        return dict(done.json) if done.code == 0 else {}

    def wait_for(self, load_id: str, state: str) -> dict[str, Any]:
        """Wait until a load has a state; return it."""
        wait_until(lambda: self.load(load_id).get("state") == state, what=f"{load_id} to be {state}")
        return self.load(load_id)


@pytest.fixture(params=["memory", "rabbitmq"])
def deployment(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LoadDeployment]:
    settings: dict[str, Any] = {"ADMIN_PORT": free_port(), "DATABASE_URL": f"sqlite:///{tmp_path / 'shop.db'}"}
    if request.param == "rabbitmq":
        settings["BROKER_URL"] = request.getfixturevalue("broker_url")
        settings["DATABASE_URL"] = request.getfixturevalue("database_url")
    with running_programs(tmp_path) as programs:
        yield LoadDeployment(programs, settings, tmp_path)


def test_a_file_is_a_full_load_and_a_held_one_waits_for_its_number(deployment: LoadDeployment) -> None:
    codes = [f"{number:03}" for number in range(120)]
    first = deployment.publish("first.jsonl", [(code, 5) for code in codes], "--full-load", "--load-id", "first")
    assert first.code == 0, first.err
    assert "full load first of main/products: version 5, 120 keys, chunks: 1" in first.out
    deployment.wait_for("first", "completed")

    rows = [(code, 7) for code in codes[:110]]
    done = deployment.publish(
        "second.jsonl", rows, "--full-load", "--load-id", "second", "--chunk-rows", "20", "--json"
    )
    said = {"load_id": "second", "version": 7, "chunks": 6, "keys": 110, "refused": 0}
    assert (done.code, done.json["load"]) == (0, said)
    second = deployment.wait_for("second", "completed")
    assert (second["deleted"], second["settled"], len(second["parts"])) == (10, 6, 6)

    rows = [(code, 9) for code in codes[:20]]
    assert deployment.publish("third.jsonl", rows, "--full-load", "--load-id", "third", "--chunk-rows", "0").code == 0
    third = deployment.wait_for("third", "held")
    assert third["would_delete"] == 90
    assert "would delete 90 keys" in deployment.run("loads", "show", "third", *SCOPE).out
    assert deployment.run("loads", "confirm", "third", *SCOPE, "--count", "89").code == 1
    assert deployment.run("loads", "confirm", "third", *SCOPE, "--count", "90").code == 0
    assert deployment.wait_for("third", "completed")["deleted"] == 90
    assert deployment.run("loads", "cancel", "third", *SCOPE).code == 1
    listed = deployment.run("loads", "list", "--json").json
    assert [row["load_id"] for row in listed] == ["third", "second", "first"]
    assert deployment.run("loads", "show", "none", *SCOPE).code == 1


def test_options_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    settings = {"DATABASE_URL": f"sqlite:///{tmp_path / 'shop.db'}"}
    with running_programs(tmp_path) as programs:
        for options in (["--full-load"], ["--full-load", *SCOPE, "--raw"], ["--load-id", "x"]):
            done = programs.run("publish", str(tmp_path / "file.jsonl"), *options, **settings)
            assert (done.code, "--full-load" in done.err) == (2, True)
