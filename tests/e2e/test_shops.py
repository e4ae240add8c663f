"""`comporta shop`: what an operator does with known shops, over HTTP and on the database alone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.event_samples import sample_event
from tests.support.programs import CompletedCommand, Programs
from tests.support.services.ports import free_port
from tests.support.wait import wait_until


@pytest.fixture(params=["over HTTP", "on the database"])
def settings(request: pytest.FixtureRequest, programs: Programs) -> dict[str, Any]:
    """A running Comporta with the embedded broker; or a broker that is away, which no command here needs."""
    database = f"sqlite:///{programs.folder / 'comporta.db'}"
    if request.param == "on the database":
        assert programs.run("migrate", DATABASE_URL=database).code == 0
        return {"BROKER_URL": "amqp://127.0.0.1:1/", "DATABASE_URL": database, "SHOPS": "table"}
    port = free_port()
    programs.start("run", ADMIN_PORT=port, DATABASE_URL=database, SHOPS="table").wait_for("listening")
    return {"ADMIN_PORT": port, "DATABASE_URL": database}


def test_a_shop_is_added_listed_and_removed(programs: Programs, settings: dict[str, Any]) -> None:
    def run(*words: str) -> CompletedCommand:
        return programs.run("shop", *words, **settings)

    assert run("list", "--json").json == []
    assert run("add", "north", "--why", "opens", "--json").json == {"shop": "north", "new": True}
    assert run("add", "north", "--json").json == {"shop": "north", "new": False}
    [listed] = run("list", "--json").json
    assert (listed["shop"], listed["admitted"]) == ("north", True)
    dry = run("remove", "north", "--dry-run", "--json").json
    assert (dry["rows"], dry["removed"]) == ({"shops": 1}, 0)
    assert "pause the shop first" in dry["obstacles"][0]
    refused = run("remove", "north", "--yes")
    assert (refused.code, "pause the shop first" in refused.err) == (1, True)
    unknown = run("remove", "nroth", "--yes")
    assert (unknown.code, "did you mean north?" in unknown.err) == (1, True)
    assert run("add", "No Shop").code == 2
    asked = run("remove", "north", "--force")
    assert (asked.code, "--yes" in asked.err) == (2, True)
    assert run("remove", "north", "--force", "--yes", "--json").json["removed"] == 1
    assert run("list", "--json").json == []


def test_a_closed_place_takes_known_shops_alone_and_names_them_for_a_typo(programs: Programs) -> None:
    port = free_port()
    settings: dict[str, Any] = {
        "ADMIN_PORT": port,
        "DATABASE_URL": f"sqlite:///{programs.folder / 'comporta.db'}",
    }
    programs.start("run", SHOPS="table", **settings).wait_for("listening")
    events = programs.folder / "events.jsonl"
    events.write_bytes(sample_event("stock"))
    assert programs.run("publish", str(events), "--shop", "north", **settings).code == 0
    wait_until(lambda: programs.run("quarantine", "list", "--json", **settings).json, what="the refusal")
    [row] = programs.run("quarantine", "list", "--json", **settings).json
    assert (row["shop"], row["reason"]) == ("north", "unknown_shop")
    programs.run("shop", "add", "north", **settings)
    assert programs.run("quarantine", "replay", row["id"], **settings).code == 0
    wait_until(
        lambda: programs.run("status", "--json", **settings).json["last_minute"]["stock"].get("applied"),
        what="the replayed event",
    )
    typo = programs.run("pause", "--reason", "x", "--shop", "nroth", **settings)
    assert (typo.code, "did you mean north?" in typo.out) == (3, True)
    assert programs.run("pause", "--reason", "x", "--shop", "nroth", "--new-shop", **settings).code == 0
