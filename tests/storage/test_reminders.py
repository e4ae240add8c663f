"""Reminders from the database to a real webhook and a real mail server: each once, and tried again when it fails."""

from __future__ import annotations

import hmac
import json
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from control.reminders import Channel, ReminderLoop
from producers.errors import DeliveryFailed
from producers.mail import Mail
from producers.signature import parse_keys
from producers.webhook import Webhook
from rules.mail_server import read_mail_server
from rules.reminders import MOST_ATTEMPTS, REMIND_AFTER
from schemas.reasons import Reason, Refusal
from storage.pause_tables import pause_ends
from storage.reminder_tables import reminder_deliveries
from storage.reminders import ReminderStore, delivery_counts
from storage.tables import switches
from tests.support.services.ports import HOST, free_port
from tests.support.services.reminder_receivers import (
    LOGIN,
    MailServer,
    WebhookReceiver,
    running_mail_server,
    running_webhook,
)
from tests.support.storage_harness import StorageHarness, reject_event_at, stock_change
from tests.support.wait import wait_until

SECRET = "whsec_" + b64encode(b"hunter2 hunter2 hunter2 hunter2").decode()
DOCUMENT = json.dumps({"data": {"subject": {"en": "a", "pt-BR": "b"}, "text": {"en": "a", "pt-BR": "b"}}})


class Site(StorageHarness):
    """A database, and processes that send reminders of it."""

    def __init__(self, url: str, webhook: WebhookReceiver) -> None:
        super().__init__(url)
        self.webhook = webhook
        self.stop = threading.Event()

    def loop(self, name: str = "one", *, after: timedelta = REMIND_AFTER, mail: Channel | None = None) -> ReminderLoop:
        channels: list[Channel] = [Webhook(self.webhook.url, parse_keys(SECRET)), *([mail] if mail else [])]
        store = ReminderStore(self.fence, name, [each.name for each in channels], after, "https://shop.example/c")
        return ReminderLoop(store, channels, self.stop)

    def told(self) -> list[dict[str, Any]]:
        return [json.loads(body)["data"] for _, body in self.webhook.requests]

    def quarantine(self, *versions: int, shop: str = "main") -> None:
        events = [stock_change(version, shop=shop) for version in versions]
        reject = reject_event_at(events)
        refusal = Refusal(Reason.MISSING_FIELD, "/data/unit", "is missing")
        self.store.commit([reject(position, refusal) for position in range(len(events))], reject)

    def ended(self) -> int:
        with self.engine.connect() as connection:
            return connection.scalar(select(func.count()).select_from(pause_ends)) or 0

    def make_due(self) -> None:
        """Let the time until the next attempt pass."""
        long_ago = datetime(2020, 1, 1, tzinfo=UTC)
        with self.fence.shared() as connection:
            connection.execute(update(reminder_deliveries).values(due_at=long_ago))

    def counts(self) -> dict[tuple[str, str], int]:
        with self.engine.connect() as connection:
            return {key: count for key, count in delivery_counts(connection).items() if count}


@pytest.fixture
def webhook() -> Iterator[WebhookReceiver]:
    with running_webhook() as receiver:
        yield receiver


@pytest.fixture
def site(any_database_url: str, webhook: WebhookReceiver) -> Iterator[Site]:
    site = Site(any_database_url, webhook)
    yield site
    site.engine.dispose()


def test_the_end_of_a_pause_is_told_of_once_by_whichever_process_comes_first(site: Site) -> None:
    one, other = site.loop("one"), site.loop("other")
    one.step()
    site.change("pause", domains=["stock"], new_shop=True, shop="main")
    site.commit(stock_change(1), stock_change(2, "P2"))
    site.change("resume", domains=["stock"], shop="main", reason="done")
    # A thread of its own counts what a pause has cost.
    assert wait_until(one.step, what="the end to be told of") == 1
    assert [other.step(), one.step()] == [0, 0]
    [told] = site.told()
    [item] = told["items"]
    assert (told["kind"], item["shop"], item["domain"], item["missed"]) == ("pause.ended", "main", "stock", 2)
    assert (item["reason"], item["as_planned"]) == ("done", False)
    assert told["subject"] == {
        "en": "Integration on again: main, stock",
        "pt-BR": "Integração ligada de novo: main, estoque",
    }
    assert told["url"] == "https://shop.example/c/missed"


def test_what_ended_before_reminders_were_set_is_no_news(site: Site) -> None:
    site.change("pause")
    site.change("resume")
    wait_until(site.ended, what="the pause to be counted")
    assert site.loop().step() == site.loop().step() == 0


def test_a_pause_that_lasts_too_long_is_told_of(site: Site) -> None:
    site.change("pause", domains=["prices", "stock"])
    loop = site.loop(after=timedelta(hours=1))
    assert loop.step() == 0
    with site.fence.shared() as connection:
        earlier = datetime.now(UTC) - timedelta(hours=2)
        connection.execute(update(switches).values(since=earlier, changed_at=earlier))
    assert loop.step() == 1
    [told] = site.told()
    assert (told["kind"], [item["domain"] for item in told["items"]]) == ("pause.overdue", ["prices", "stock"])
    assert told["subject"]["en"] == "Integration off longer than planned: 2 scopes"
    assert loop.step() == 0


def test_the_quarantine_is_told_of_with_its_number(site: Site) -> None:
    site.quarantine(1, 2)
    site.quarantine(3, shop="north")
    loop = site.loop()
    assert [loop.step(), loop.step()] == [1, 0]
    [told] = site.told()
    assert [(item["shop"], item["number"]) for item in told["items"]] == [("main", 2), ("north", 1)]
    site.quarantine(4)
    assert loop.step() == 0


def test_a_webhook_is_signed_as_standard_webhooks_says(site: Site) -> None:
    site.quarantine(1)
    site.loop().step()
    [(headers, body)] = site.webhook.requests
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    signature = b64encode(hmac.digest(b64decode(SECRET.removeprefix("whsec_")), signed, "sha256")).decode()
    assert headers["webhook-signature"] == f"v1,{signature}"
    assert headers["content-type"] == "application/json"
    document = json.loads(body)
    assert (document["type"], document["id"]) == ("comporta.reminder.v1", headers["webhook-id"])


def test_a_delivery_that_fails_is_tried_again_later_under_the_same_id(site: Site) -> None:
    site.webhook.status = 503
    site.quarantine(1)
    loop = site.loop()
    assert [loop.step(), loop.step()] == [1, 0]
    assert site.counts() == {("webhook", "waiting"): 1}
    site.webhook.status = 200
    site.make_due()
    assert loop.step() == 1
    assert len({headers["webhook-id"] for headers, _ in site.webhook.requests}) == 1
    assert site.counts() == {("webhook", "sent"): 1}


def test_a_delivery_that_fails_for_ever_is_given_up(site: Site) -> None:
    site.webhook.status = 500
    site.quarantine(1)
    loop = site.loop()
    for _ in range(MOST_ATTEMPTS + 2):
        loop.step()
        site.make_due()
    assert len(site.webhook.requests) == MOST_ATTEMPTS
    assert site.counts() == {("webhook", "failed"): 1}
    with site.engine.connect() as connection:
        assert connection.scalar(select(reminder_deliveries.c.error)) == "HTTP 500"


def test_a_channel_that_fails_does_not_hold_up_the_other(site: Site, tmp_path: Path) -> None:
    nobody = Mail(read_mail_server(f"smtp://{HOST}:{free_port()}?from=c@shop.example&to=ana@shop.example"))
    site.quarantine(1)
    assert site.loop(mail=nobody).step() == 2
    assert site.counts() == {("webhook", "sent"): 1, ("mail", "waiting"): 1}


def mail_to(server: MailServer, *, scheme: str = "smtp", login: str = "") -> Mail:
    to = "to=ana@shop.example,bia@shop.example"
    return Mail(read_mail_server(f"{scheme}://{login}{HOST}:{server.port}?from=comporta@shop.example&{to}"))


def test_a_mail_says_it_in_both_languages(site: Site, tmp_path: Path) -> None:
    site.quarantine(1)
    with running_mail_server(tmp_path) as server:
        site.loop(mail=mail_to(server)).step()
    [mail] = server.mails
    assert server.recipients == ["ana@shop.example", "bia@shop.example"]
    assert mail["subject"].strip() == "[Comporta] Mensagem na quarentena: main / Message in the quarantine: main"
    assert mail["from"] == "comporta@shop.example"
    text = mail.get_content()
    assert "Não são aplicadas até que alguém as reprocesse" in text
    assert "They are not applied until somebody replays" in text
    assert text.count("https://shop.example/c/quarantine") == 2


@pytest.mark.parametrize(("tls", "scheme"), [("starttls", "smtp"), ("implicit", "smtps"), ("none", "smtp")])
def test_a_mail_goes_with_login_and_encrypted_where_it_can(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tls: str, scheme: str
) -> None:
    with running_mail_server(tmp_path, tls=tls, login=True) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        mail_to(server, scheme=scheme, login="ana:hunter2%2F%40@").send("id1", DOCUMENT)
        with pytest.raises(DeliveryFailed, match="login refused: SMTP 535"):
            mail_to(server, scheme=scheme, login="ana:wrong@").send("id2", DOCUMENT)
        server.hangs_up = True
        with pytest.raises(DeliveryFailed, match="login refused: the server has ended the connection"):
            mail_to(server, scheme=scheme, login="ana:wrong@").send("id3", DOCUMENT)
    assert LOGIN[1] == "hunter2/@"
    # A server that expects TLS at once takes nothing else, and does not say so of each mail.
    assert server.encrypted == [tls == "starttls"]
    assert [mail["message-id"] for mail in server.mails] == ["<id1@shop.example>"]


@pytest.mark.parametrize(("tls", "scheme"), [("starttls", "smtp"), ("implicit", "smtps")])
def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path, tls: str, scheme: str) -> None:
    with (
        running_mail_server(tmp_path, tls=tls) as server,
        pytest.raises(DeliveryFailed, match="TLS failed: CERTIFICATE_VERIFY_FAILED"),
    ):
        mail_to(server, scheme=scheme).send("id1", DOCUMENT)


def test_a_mail_server_that_refuses_is_named_by_its_code_alone(tmp_path: Path) -> None:
    with running_mail_server(tmp_path) as server:
        server.answer = "552 hunter2 is too much"
        with pytest.raises(DeliveryFailed) as error:
            mail_to(server).send("id1", DOCUMENT)
    assert str(error.value) == "SMTP 552"
