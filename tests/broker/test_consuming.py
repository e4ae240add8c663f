"""One suite for consuming, on the embedded broker and on RabbitMQ."""

from __future__ import annotations

import bz2
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import kombu
import pytest

from broker.link import open_connection
from broker.publisher import SinglePublisher
from broker.topology import declare
from consumers.control import Controller
from consumers.source import Intake, KombuSource
from consumers.worker import Worker
from schemas.control import Announcement
from schemas.registry import DOMAINS
from schemas.topology import CONTROL, DEAD, EVENTS
from storage.database import open_database
from storage.store import Store
from storage.switchboard import Switchboard
from tests.unit.test_events import SAMPLES, event

CE = "application/cloudevents+json"
MARK = "SECRET-MARK"


@dataclass
class Line:
    """A worker and a controller that are stepped by hand."""

    url: str
    database_url: str
    intake: Intake = field(default_factory=lambda: Intake(batch_size=50, batch_ms=200))

    def __post_init__(self) -> None:
        self.database = open_database(self.database_url)
        self.announced: list[Announcement] = []
        self.publisher = SinglePublisher(self.url, "test")
        self.switchboard = Switchboard(self.database.fence, self.announced.append)
        store = Store(self.database.fence, self.switchboard, "w1")
        self.worker = Worker(self.url, tuple(DOMAINS), self.intake, store, threading.Event())
        status, publish = self.database.views.status, self.publisher.publish
        self.controller = Controller(self.url, self.switchboard, status, publish, threading.Event())
        self.connection: kombu.Connection = open_connection(self.url, name="test")
        declare(self.connection)
        self.source = KombuSource(self.connection, self.worker.queues, self.intake)
        self.control = KombuSource(self.connection, [CONTROL], Intake(1, 0, 1))
        self.replies = self.connection.channel()
        self.replies.queue_declare("test.replies", durable=False, exclusive=True)

    def publish(self, body: bytes, key: str = "main.stock", exchange: str = EVENTS, **properties: Any) -> None:
        self.publisher.publish(body, exchange=exchange, routing_key=key, **{"content_type": CE, **properties})

    def drain(self, deliveries: int) -> None:
        settled = 0
        for _ in range(200):
            settled += self.worker.step(self.source)
            if settled >= deliveries:
                break
        assert settled == deliveries

    def ask(self, action: str, body: Any, **properties: Any) -> dict[str, Any]:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.publish(raw, action, CONTROL, reply_to="test.replies", correlation_id="c1", **properties)
        while not self.controller.step(self.control):
            pass
        for _ in range(500):
            message = self.replies.basic_get("test.replies", no_ack=True)
            if message is not None:
                assert message.properties["correlation_id"] == "c1"
                return dict(json.loads(message.body))
        raise AssertionError("no reply")

    @property
    def totals(self) -> dict[str, int]:
        return self.database.views.totals().get("stock", {})

    def close(self) -> None:
        self.publisher.close()
        self.connection.release()
        self.database.close()


@pytest.fixture(params=["memory", "rabbitmq"])
def line(request: pytest.FixtureRequest, sqlite_url: str) -> Iterator[Line]:
    url = "memory://" if request.param == "memory" else request.getfixturevalue("broker_url")
    line = Line(url, sqlite_url)
    yield line
    line.close()


def stock(version: int, key: str = "P1") -> bytes:
    return event("stock", envelope={"sequence": str(version)}, product_code=key)


def test_every_domain_is_applied_from_its_queue(line: Line) -> None:
    for domain in SAMPLES:
        line.publish(event(domain), f"main.{domain}")
    line.drain(len(SAMPLES))
    assert line.database.views.totals() == {domain: {"applied": 1} for domain in SAMPLES}


def test_a_batch_has_at_most_its_size_and_nothing_waits_for_a_full_one(line: Line) -> None:
    for version in range(60):
        line.publish(stock(version, f"P{version}"))
    sizes = [line.worker.step(line.source)]
    while sum(sizes) < 60:
        sizes.append(line.worker.step(line.source))
    assert max(sizes) <= 50
    assert line.totals == {"applied": 60}


HOSTILE: list[tuple[str, bytes, dict[str, Any], str]] = [
    ("malformed", b'{"mark":"' + MARK.encode(), {}, "malformed_json"),
    ("duplicate", stock(1).replace(b'"unit"', b'"branch": "2", "unit"'), {}, "duplicate_key"),
    ("10 MB", b" " * 10_000_000, {}, "too_large"),
    ("deep", b"[" * 100_000, {}, "malformed_json"),
    ("nul", event("stock", unit="\0"), {}, "nul_character"),
    ("exponent", event("stock", on_hand="1E+999999"), {}, "number_range"),
    ("nan", stock(1).replace(b'"12.000"', b"NaN"), {}, "malformed_json"),
    ("bad utf-8", stock(1).replace(b"P1", b"P\xff"), {}, "malformed_json"),
    ("bom", b"\xef\xbb\xbf" + stock(1), {}, "malformed_json"),
    ("bomb", bz2.compress(b" " * 64_000_000), {"headers": {"compression": "application/x-bz2"}}, "compressed"),
    ("codec", stock(1), {"headers": {"compression": "application/x-none"}}, "compressed"),
    ("type", stock(1), {"content_type": "text/plain"}, "content_type"),
    ("control", b'{"reason":"x"}', {}, "not_an_event"),
    ("number", b"5", {}, "not_an_event"),
    ("empty", b"", {}, "malformed_json"),
    ("shop", stock(1), {"key": "MAIN.stock"}, "routing_key"),
    ("direct", stock(1), {"key": "comporta.stock", "exchange": ""}, "routing_key"),
]


def test_hostile_messages_are_quarantined_alone_and_never_logged(line: Line, capfd: pytest.CaptureFixture[str]) -> None:
    for number, (_, body, properties, _) in enumerate(HOSTILE):
        line.publish(stock(1, f"good-{number}"))
        line.publish(body, **properties)
    line.drain(2 * len(HOSTILE))
    found = line.database.views.quarantined(limit=100)
    assert sorted(row["reason"] for row in found) == sorted(reason for *_, reason in HOSTILE)
    assert all(len(row["sentence"]) < 200 for row in found)
    assert line.totals == {"applied": len(HOSTILE), "quarantined": len(HOSTILE)}
    kept = {bytes(line.database.views.quarantined_message(row["id"])["body"]) for row in found}  # type: ignore[index]
    assert kept == {body for _, body, _, _ in HOSTILE}
    assert MARK not in "".join(capfd.readouterr())


def test_a_dead_letter_ends_in_the_quarantine_of_its_domain(line: Line) -> None:
    line.publish(stock(1), exchange=DEAD, headers={"x-first-death-queue": "comporta.stock"})
    line.drain(1)
    [row] = line.database.views.quarantined()
    assert (row["reason"], row["domain"], row["shop"]) == ("delivery_limit", "stock", "main")


def test_a_pause_is_answered_and_everything_after_it_is_discarded(line: Line) -> None:
    reply = line.ask("pause", {"reason": "test"})
    assert set(reply) == {"result", "epoch", "effective_at", "in_flight_orders", "still_off", "error"}
    assert (reply["result"], reply["epoch"], reply["error"]) == ("off", 1, None)
    assert set(reply["still_off"][0]) == {"shop", "domain", "reason", "by", "since", "until"}
    for version in range(3):
        line.publish(stock(version))
    line.drain(3)
    assert line.totals == {"discarded": 3}
    assert line.ask("resume", {"reason": "test"})["result"] == "on"
    line.publish(stock(9))
    line.drain(1)
    assert line.totals == {"discarded": 3, "applied": 1}
    assert line.database.views.missed() == []


def test_a_resume_of_everything_leaves_a_shops_own_switch_alone(line: Line) -> None:
    line.ask("pause", {"reason": "test", "shop": "a"})
    line.ask("pause", {"reason": "test"})
    reply = line.ask("resume", {"reason": "test"})
    assert (reply["result"], [each["shop"] for each in reply["still_off"]]) == ("on", ["a"])


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"{", "invalid"),
        ({}, "invalid"),
        ({"reason": ""}, "invalid"),
        ({"reason": "x" * 501}, "invalid"),
        ({"reason": "x", "domain": "stock"}, "invalid"),
        ({"reason": "x", "shop": "MAIN"}, "invalid"),
        ({"reason": "x", "domains": ["ghosts"]}, "invalid"),
        ({"reason": "x", "domains": []}, "invalid"),
        ({"reason": "x", "until": "2020-01-01T00:00:00Z"}, "expired"),
    ],
)
def test_a_wrong_control_message_is_refused_by_name(line: Line, body: Any, word: str) -> None:
    reply = line.ask("pause", body)
    assert reply["result"] == "refused"
    assert reply["error"].startswith(f"{word}: ")
    assert line.database.views.status().all_on


def test_an_old_resume_is_refused_and_a_repeat_is_harmless(line: Line) -> None:
    assert line.ask("pause", {"reason": "x"}, message_id="m1")["result"] == "off"
    assert line.ask("pause", {"reason": "x"}, message_id="m1")["result"] == "unchanged"
    old = line.ask("resume", {"reason": "x", "issued_at": "2026-01-01T00:00:00Z"})
    assert (old["result"], old["error"].partition(":")[0]) == ("refused", "stale")


def test_status_is_answered_while_everything_is_off(line: Line) -> None:
    line.ask("pause", {"reason": "x"})
    assert line.ask("status", b"")["switches"][0]["off"] is True


def test_what_was_not_settled_comes_again(broker_url: str, sqlite_url: str) -> None:
    first = Line(broker_url, sqlite_url)
    first.publish(stock(1))
    assert len(first.source.receive(5)) == 1
    first.close()
    second = Line(broker_url, sqlite_url)
    second.drain(1)
    assert second.totals == {"applied": 1}
    second.close()


def test_the_log_of_a_quarantined_message_names_the_reason_only(line: Line, tmp_path: Path) -> None:
    line.publish(event("customers", document="52998224726"), "main.customers")
    line.drain(1)
    [row] = line.database.views.quarantined()
    assert row["reason"] == "cpf_check_digit"
    assert "52998224726" not in row["sentence"]
