"""Background jobs, notes and corrections of the quarantine at the command line, on servers and on the default."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_deployment import CommandDeployment
from tests.support.programs import running_programs
from tests.support.services.ports import free_port
from tests.support.stock_lines import BAD_LINE, stock_line
from tests.support.wait import wait_until


@pytest.fixture(params=["memory", "rabbitmq"])
def deployment(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[CommandDeployment]:
    settings: dict[str, Any] = {"ADMIN_PORT": free_port(), "DATABASE_URL": f"sqlite:///{tmp_path / 'shop.db'}"}
    settings["ALLOW_EDIT"] = "true"
    if request.param == "rabbitmq":
        settings["BROKER_URL"] = request.getfixturevalue("broker_url")
        settings["DATABASE_URL"] = request.getfixturevalue("database_url")
    with running_programs(tmp_path) as programs:
        deployment = CommandDeployment(programs, settings)
        yield deployment
        deployment.database.close()


def job(deployment: CommandDeployment, identity: str) -> dict[str, Any]:
    done = deployment.run("quarantine", "jobs", "show", identity, "--json")
    assert done.code == 0, done.err
    shown: dict[str, Any] = done.json
    return shown


def test_many_are_replayed_and_dropped_in_the_background(deployment: CommandDeployment) -> None:
    deployment.start()
    deployment.keep(*(stock_line(version) for version in range(1, 13)))
    done = deployment.run("quarantine", "replay", "--all", "--background", "--all-at-once", "--why", "mended", "--json")
    assert (done.code, done.json["chosen"], done.json["reason"]) == (0, 12, "mended"), done.err
    identity = done.json["id"]
    wait_until(lambda: job(deployment, identity)["state"] == "done", what="the job to be done")
    assert job(deployment, identity)["done"] == 12
    deployment.wait_for_outcomes(applied=12)
    said = deployment.run("quarantine", "jobs", "show", identity)
    assert "replay done: 12 of 12 messages" in said.out

    deployment.keep(BAD_LINE)
    asked = deployment.run("quarantine", "drop", "--all", "--background")
    assert (asked.code, "Remove 1 messages" in asked.err) == (2, True)
    dropped = deployment.run("quarantine", "drop", *deployment.quarantined(), "--background", "--yes", "--json").json
    wait_until(lambda: job(deployment, dropped["id"])["state"] == "done", what="the drop to be done")
    assert deployment.quarantined() == []
    assert [row["id"] for row in deployment.rows("quarantine", "jobs")] == [dropped["id"], identity]
    assert [row["action"] for row in deployment.rows("audit")] == ["drop", "replay"]


def test_a_job_is_cancelled_and_one_that_is_not_there_is_named(deployment: CommandDeployment) -> None:
    deployment.start()
    deployment.keep(*(stock_line(version) for version in range(1, 13)))
    identity = deployment.run("quarantine", "replay", "--all", "--background", "--json").json["id"]
    # Ten are tried first: it waits for what becomes of them.
    wait_until(lambda: job(deployment, identity)["state"] == "canary", what="the first ten")
    done = deployment.run("quarantine", "jobs", "cancel", identity, "--json")
    assert (done.code, done.json["state"], done.json["done"]) == (0, "cancelled", 10)
    assert len(deployment.quarantined()) == 2
    for words in (("show", "none"), ("cancel", "none")):
        failed = deployment.run("quarantine", "jobs", *words)
        assert (failed.code, "no replay or drop of many has the id none" in failed.err) == (1, True)


def test_while_off_a_replay_in_the_background_needs_a_confirmation(deployment: CommandDeployment) -> None:
    deployment.start()
    deployment.keep(stock_line(1))
    assert deployment.run("pause", "--reason", "a test").code == 0
    refused = deployment.run("quarantine", "replay", "--all", "--background")
    assert (refused.code, "would be discarded" in refused.err) == (2, True)
    identity = deployment.run("quarantine", "replay", "--all", "--background", "--yes", "--json").json["id"]
    wait_until(lambda: job(deployment, identity)["state"] == "done", what="the job to be done")
    deployment.wait_for_outcomes(discarded=1)


def test_a_note_is_written_changed_and_removed(deployment: CommandDeployment) -> None:
    deployment.start()
    group = ("--reason", "gtin_check_digit", "--shop", "main")
    assert deployment.run("quarantine", "notes", "write", "asked", *group, "--ticket", "ERP-7").code == 0
    assert deployment.run("quarantine", "notes", "write", "asked again", *group, "--ticket", "ERP-8").code == 0
    [note] = deployment.rows("quarantine", "notes")
    assert (note["reason"], note["shop"], note["note"], note["ticket"]) == (
        "gtin_check_digit",
        "main",
        "asked again",
        "ERP-8",
    )
    assert deployment.run("quarantine", "notes", "write", " ", *group).code == 2
    assert deployment.run("quarantine", "notes", "write", "x", "--reason", "no_reason").code == 2
    assert deployment.run("quarantine", "notes", "remove", *group, "--json").json == []
    assert [row["action"] for row in deployment.rows("audit")] == ["note"] * 3


def test_a_message_is_corrected_and_sent_again(deployment: CommandDeployment, tmp_path: Path) -> None:
    deployment.start()
    deployment.keep(BAD_LINE)
    [identity] = deployment.quarantined()
    bad, good = json.loads(BAD_LINE), json.loads(stock_line(7))
    file = tmp_path / "corrected.json"
    file.write_text(json.dumps(bad))
    refused = deployment.run("quarantine", "edit", identity, "--file", str(file), "--why", "a test")
    assert (refused.code, "would be refused again" in refused.err) == (1, True)
    assert deployment.run("quarantine", "edit", identity, "--why", "a test").code == 2
    assert deployment.run("quarantine", "edit", identity, "--file", str(tmp_path / "none"), "--why", "x").code == 1
    file.write_text(json.dumps({**bad, "data": good["data"]}))
    done = deployment.run("quarantine", "edit", identity, "--file", str(file), "--why", "the ERP can't", "--json")
    assert (done.code, done.json["original"]) == (0, identity), done.err
    deployment.wait_for_outcomes(applied=1)
    assert deployment.quarantined() == []
    [entry] = deployment.rows("audit")
    assert (entry["action"], entry["reason"]) == ("edit", "the ERP can't")
    assert done.json["id"] in entry["subject"]


def test_without_the_setting_nothing_is_corrected(deployment: CommandDeployment, tmp_path: Path) -> None:
    deployment.settings["ALLOW_EDIT"] = "false"
    deployment.start()
    deployment.keep(BAD_LINE)
    (tmp_path / "corrected.json").write_bytes(stock_line(1))
    arguments = ("--file", str(tmp_path / "corrected.json"), "--why", "a test")
    refused = deployment.run("quarantine", "edit", deployment.quarantined()[0], *arguments)
    assert (refused.code, "COMPORTA_ALLOW_EDIT=true" in refused.err) == (1, True)
    assert len(deployment.quarantined()) == 1
