"""`comporta pause --from`, and a replay of what is off, as an operator does them on the embedded broker."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.event_samples import sample_event
from tests.support.programs import Programs
from tests.support.services.ports import free_port
from tests.support.wait import wait_until


def test_a_planned_pause_survives_a_restart_begins_and_guards_the_replay(programs: Programs) -> None:
    settings: dict[str, Any] = {
        "ADMIN_PORT": free_port(),
        "DATABASE_URL": f"sqlite:///{programs.folder / 'comporta.db'}",
    }
    program = programs.start("run", **settings)
    program.wait_for("listening")

    def run(*words: str) -> Any:
        return programs.run(*words, **settings)

    begins = (datetime.now(UTC) + timedelta(seconds=20)).isoformat(timespec="seconds")
    words = ("--reason", "move", "--from", begins, "--for", "2h")
    planned = run("pause", *words, "--json")
    assert (planned.code, planned.json["result"], planned.json["still_off"]) == (0, "planned", [])
    assert run("status", "--check").code == 0
    assert "planned: shop *, domain *" in run("status").out
    assert program.stop() == 0
    programs.start("run", **settings).wait_for("listening")
    wait_until(lambda: run("status", "--check").code == 1, what="the pause to begin")
    [switch] = run("status", "--json").json["switches"]
    assert datetime.fromisoformat(switch["since"]) >= datetime.fromisoformat(begins)
    assert datetime.fromisoformat(switch["until"]) == datetime.fromisoformat(begins) + timedelta(hours=2)
    assert [(row["action"], row["result"]) for row in run("audit", "--json").json] == [
        ("begin", "off"),
        ("pause", "planned"),
    ]
    events = programs.folder / "events.jsonl"
    events.write_bytes(sample_event("stock"))
    assert run("publish", str(events)).code == 0
    wait_until(lambda: run("missed", "list", "--json").json, what="the missed key")
    refused = run("missed", "resync")
    assert (refused.code, "would be discarded" in refused.err, "--yes" in refused.err) == (2, True, True)
