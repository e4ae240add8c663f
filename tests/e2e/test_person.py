"""`comporta person erase`, over HTTP and on the database alone."""

from __future__ import annotations

import json
from typing import Any

from tests.support.event_samples import sample_event
from tests.support.programs import CompletedCommand, Programs
from tests.support.services.ports import free_port
from tests.support.wait import wait_until


def test_a_person_is_erased_over_http_and_on_the_database_alone(programs: Programs) -> None:
    database = f"sqlite:///{programs.folder / 'comporta.db'}"
    port = free_port()
    running: dict[str, Any] = {"ADMIN_PORT": port, "DATABASE_URL": database}
    alone: dict[str, Any] = {"BROKER_URL": "amqp://127.0.0.1:1/", "DATABASE_URL": database}

    def erase(*words: str, **settings: Any) -> CompletedCommand:
        return programs.run("person", "erase", *words, **settings)

    programs.start("run", **running).wait_for("listening")
    events = programs.folder / "events.jsonl"
    data = {"kind": "PJ", "document": "12ABC34501DE35", "name": "Lima"}
    lines = [sample_event("customers", code=code, envelope={"id": code}, **data) for code in ("C1", "C2")]
    events.write_bytes(b"\n".join(lines))
    assert programs.run("publish", str(events), **running).code == 0
    counted: dict[str, Any] = {}

    def both_are_there() -> bool:
        counted.update(erase("--document", "12.abc.345/01de-35", "--dry-run", "--json", **running).json)
        return bool(counted["rows"] == {"customers": 2})

    wait_until(both_are_there, what="two customers")
    assert counted["erased"] == 0
    unconfirmed = erase("--document", "12ABC34501DE35", **alone)
    assert (unconfirmed.code, "--yes" in unconfirmed.err) == (2, True)
    done = erase("--document", "12ABC34501DE35", "--yes", "--json", **alone)
    assert (done.code, done.json["erased"], done.json["stays"]) == (0, 2, [])
    assert "12ABC34501DE35" not in json.dumps(programs.run("audit", "--json", **alone).json)
    assert "no data of this person" in erase("--document", "12ABC34501DE35", "--dry-run", **running).out
    assert erase("--document", "--", "--dry-run", **alone).code == 2
    assert erase("--document", "1", "--shop", "No Shop", **alone).code == 2
