"""Reminders of whole programs: two processes tell of a pause once, and no secret is shown."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.programs import Programs
from tests.support.services.ports import HOST, free_port
from tests.support.services.reminder_receivers import running_mail_server, running_webhook
from tests.support.wait import wait_until

SECRET = "hunter2"


def test_two_processes_tell_of_a_pause_once_on_both_ways(
    programs: Programs, tmp_path: Path, broker_url: str, database_url: str
) -> None:
    with running_webhook() as webhook, running_mail_server(tmp_path) as mail:
        (tmp_path / "webhook").write_text(f"{webhook.url}\n")
        settings = {
            "broker_url": broker_url,
            "database_url": database_url,
            "notify_url_file": tmp_path / "webhook",
            "smtp_url": f"smtp://{HOST}:{mail.port}?from=c@shop.example&to=ana@shop.example",
            "notify_after": 1,
            "log_format": "json",
        }
        workers = [programs.worker(**settings) for _ in range(2)]
        for worker in workers:
            worker.wait_for("broker connected", session="events")
        done = programs.run("pause", "--reason", "a test", "--domain", "stock", **settings)
        assert done.code == 0
        wait_until(lambda: webhook.requests and mail.mails, what="the reminders")
        assert programs.run("resume", "--reason", "done", "--domain", "stock", **settings).code == 0
        wait_until(lambda: len(webhook.requests) + len(mail.mails) == 4, what="the end to be told of")
        kinds = [json.loads(body)["data"]["kind"] for _, body in webhook.requests]
        assert kinds == ["pause.overdue", "pause.ended"]
        found = programs.run("doctor", "--json", **settings)
        said = {f["says"]: f["state"] for f in found.json["findings"] if f["part"] == "reminders"}
        assert list(said.values()) == ["warning", "ok"]
        assert f"the mail server {HOST}:{mail.port} takes mail" in said
        for worker in workers:
            assert worker.stop() == 0
            assert SECRET not in worker.output
        assert SECRET not in found.out


def test_a_receiver_that_is_away_is_named_without_its_secrets(programs: Programs, sqlite_url: str) -> None:
    port = free_port()
    settings = {
        "database_url": sqlite_url,
        "notify_url": f"http://{HOST}:{port}/{SECRET}",
        "smtp_url": f"smtp://ana:{SECRET}@{HOST}:{port}?from=c@shop.example&to=ana@shop.example",
    }
    found = programs.run("doctor", "--json", **settings)
    said = [f for f in found.json["findings"] if f["part"] == "reminders"]
    assert [f["state"] for f in said] == ["wrong", "wrong"]
    assert [f["way_out"] for f in said] == ["check COMPORTA_NOTIFY_URL", "check COMPORTA_SMTP_URL"]
    shown = programs.run("config", "show", **settings)
    for done in (found, shown):
        assert SECRET not in done.out + done.err
