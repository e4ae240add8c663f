"""Missed keys after a resume: a worker asks for them by itself, or the command tells the operator."""

from __future__ import annotations

import json
from typing import Any

from tests.support.event_samples import sample_event
from tests.support.programs import Programs
from tests.support.services.broker import open_channel
from tests.support.services.http_erp import running_http_erp
from tests.support.services.ports import free_port
from tests.support.wait import wait_until


def test_the_erp_is_asked_after_a_resume_and_the_sheet_gets_done(programs: Programs, broker_url: str) -> None:
    settings: dict[str, Any] = {
        "broker_url": broker_url,
        "database_url": f"sqlite:///{programs.folder / 'comporta.db'}",
        "admin_port": free_port(),
    }
    program = programs.start("run", **settings, resync_on_resume="auto", log_format="json")
    # Only then can a pause be sent over the broker.
    program.wait_for("broker connected", session="control")
    events = programs.folder / "events.jsonl"
    codes = [f"P{number}" for number in range(5)]
    events.write_bytes(b"\n".join(sample_event("stock", product_code=code, envelope={"id": code}) for code in codes))

    def missed() -> int:
        status = programs.run("status", "--json", **settings).json
        return int(status["missed"].get("main", {}).get("stock", 0))

    assert programs.run("pause", "--reason", "x", **settings).code == 0
    assert programs.run("publish", str(events), **settings).code == 0
    wait_until(lambda: missed() == 5, what="five missed keys")
    resumed = programs.run("resume", "--reason", "x", **settings, resync_on_resume="auto")
    assert (resumed.code, "missed" in resumed.out) == (0, False)
    with open_channel(broker_url) as channel:
        body = wait_until(lambda: channel.basic_get("erp.resync", auto_ack=True)[2], what="the request")
    assert sorted(key["product_code"] for key in json.loads(body)["data"]["keys"]) == codes
    assert programs.run("publish", str(events), **settings).code == 0
    wait_until(lambda: missed() == 0, what="the answers")


def test_the_operator_is_told_how_many_keys_are_missed(programs: Programs) -> None:
    settings: dict[str, Any] = {
        "database_url": f"sqlite:///{programs.folder / 'comporta.db'}",
        "admin_port": free_port(),
    }
    programs.start("run", **settings).wait_for("listening")
    events = programs.folder / "events.jsonl"
    events.write_bytes(sample_event("stock"))
    programs.run("pause", "--reason", "x", **settings)
    programs.run("publish", str(events), **settings)
    wait_until(lambda: programs.run("missed", "list", "--json", **settings).json, what="the missed key")
    told = programs.run("resume", "--reason", "x", **settings)
    assert "1 keys are missed: `comporta missed resync`" in told.out
    silent = programs.run("resume", "--reason", "x", **settings, resync_on_resume="off")
    assert "missed" not in silent.out


def test_an_erp_over_http_is_asked_by_key_and_by_window(programs: Programs) -> None:
    settings: dict[str, Any] = {
        "database_url": f"sqlite:///{programs.folder / 'comporta.db'}",
        "admin_port": free_port(),
    }
    with running_http_erp() as erp:
        erp.default = "events"
        programs.start("run", **settings, erp_resync_url=erp.url).wait_for("listening")
        event = sample_event("stock", envelope={"sequence": "7"})
        erp.events = lambda payload: [json.loads(event)] if "keys" in payload else []
        events = programs.folder / "events.jsonl"
        events.write_bytes(event)
        programs.run("pause", "--reason", "x", **settings)
        programs.run("publish", str(events), **settings)
        wait_until(lambda: programs.run("missed", "list", "--json", **settings).json, what="the missed key")
        programs.run("resume", "--reason", "x", **settings)
        asked = programs.run("missed", "resync", "--json", **settings)
        assert asked.code == 0, asked.err
        assert asked.json["requested"] == 1
        wait_until(lambda: not programs.run("missed", "list", "--json", **settings).json, what="the answer")
        words = ("missed", "resync", "--since", "2026-11-23T07:00:00Z", "--domain", "stock")
        assert programs.run(*words, "--json", **settings).json == {"messages": 1}
        [window] = [payload for payload in erp.payloads.values() if "from" in payload]
        assert window["from"] == "2026-11-23T07:00:00.000000Z"
        assert programs.run("missed", "resync", "--until", "2026-11-23T07:00:00Z", **settings).code == 2
        assert programs.run("missed", "resync", "--since", "yesterday", **settings).code == 2
