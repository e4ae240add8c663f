"""Control messages are obeyed one at a time and answered once they hold: one suite for both brokers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from broker.connection import BrokerLost, open_connection
from broker.sync_publisher import SyncPublisher
from consumers.delivery import Delivery
from consumers.source import BatchLimits
from control.announcer import Announcer
from control.client import request
from control.consumer import ControlConsumer
from producers.errors import NoReply
from schemas.control import Announcement
from schemas.topology import CONTROL, STATUS
from storage.views import AuditFilter
from tests.support.pipeline import Backends, BufferedSource, Pipeline, open_pipeline, stock_event
from tests.support.services.postgres import Database
from tests.support.services.proxy import Proxy
from tests.support.wait import wait_until

REPLY_FIELDS = {"result", "epoch", "effective_at", "in_flight_orders", "still_off", "error"}


class ControlHarness:
    """Control consumer stepped by hand, and a client of it."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.connection = open_connection(pipeline.url, name="test control")
        controller = ControlConsumer(
            pipeline.url, pipeline.switchboard, pipeline.database.views.status, pipeline.publisher, pipeline.stop
        )
        self.controller = controller
        self.source = BufferedSource(self.connection, [CONTROL], BatchLimits(1, 0, 1))
        self.channel = self.connection.channel()
        self.replies = f"replies-{id(self)}"
        self.channel.queue_declare(self.replies, durable=False, exclusive=True)

    def send(self, action: str, body: Any, exchange: str = CONTROL, **properties: Any) -> None:
        """Sends a control message: JSON, or bytes as they are."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        said = {"reply_to": self.replies, "correlation_id": "c1", "content_type": "application/json", **properties}
        said = {name: value for name, value in said.items() if value is not None}
        self.pipeline.publish(raw, key=action, exchange=exchange, **said)

    def step(self) -> None:
        """Obeys one message."""
        wait_until(lambda: self.controller.step(self.source), what="a control message to be settled")

    def reply(self) -> dict[str, Any]:
        """The next reply."""

        def look() -> Any:
            return self.channel.basic_get(self.replies, no_ack=True)

        message = wait_until(look, what="a reply")
        assert message.properties["correlation_id"] == "c1"
        return dict(json.loads(message.body))

    def ask(self, action: str, body: Any, **properties: Any) -> dict[str, Any]:
        """Sends, obeys, and returns the reply."""
        self.send(action, body, **properties)
        self.step()
        return self.reply()

    def close(self) -> None:
        """Goes home."""
        self.connection.release()


@pytest.fixture
def harness(pipeline: Pipeline) -> Iterator[ControlHarness]:
    """A control consumer on each of the backends."""
    harness = ControlHarness(pipeline)
    yield harness
    harness.close()


@pytest.fixture
def rabbitmq_harness(rabbitmq_pipeline: Pipeline) -> Iterator[ControlHarness]:
    """A controller on RabbitMQ."""
    harness = ControlHarness(rabbitmq_pipeline)
    yield harness
    harness.close()


def audit(pipeline: Pipeline) -> list[dict[str, Any]]:
    """The audit, oldest first."""
    return [dict(row) for row in reversed(pipeline.database.views.rows(AuditFilter()))]


def test_a_pause_is_answered_and_everything_after_it_is_discarded(harness: ControlHarness) -> None:
    reply = harness.ask("pause", {"reason": "night work", "by": "Ana"})
    assert reply.keys() == REPLY_FIELDS
    assert (reply["result"], reply["epoch"], reply["error"], reply["in_flight_orders"]) == ("off", 1, None, 0)
    assert datetime.fromisoformat(reply["effective_at"]).tzinfo is not None
    [still] = reply["still_off"]
    assert {**still, "since": None} == {
        "shop": "*",
        "domain": "*",
        "reason": "night work",
        "by": "Ana",
        "since": None,
        "until": None,
    }
    harness.pipeline.publish(stock_event(1))
    with harness.pipeline.stepped_worker("stock") as worker:
        worker.drain(1)
        assert harness.ask("resume", {"reason": "done"})["result"] == "on"
        harness.pipeline.publish(stock_event(2))
        worker.drain(1)
    assert harness.pipeline.outcomes() == {"discarded": 1, "applied": 1}
    assert harness.pipeline.queue_depth("comporta.stock") == 0


def test_a_resume_of_everything_leaves_a_shops_own_switch_alone_and_names_it(harness: ControlHarness) -> None:
    harness.ask("pause", {"reason": "stocktaking", "shop": "a", "new_shop": True})
    harness.ask("pause", {"reason": "test"})
    reply = harness.ask("resume", {"reason": "test"})
    assert (reply["result"], reply["epoch"]) == ("on", 3)
    assert [(each["shop"], each["reason"]) for each in reply["still_off"]] == [("a", "stocktaking")]


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"", "invalid"),
        (b"{", "invalid"),
        (b"\xff", "invalid"),
        (b"[]", "invalid"),
        (b" " * 2_000_000, "invalid"),
        (b'{"reason":"x","reason":"y"}', "invalid"),
        ({}, "invalid"),
        ({"reason": ""}, "invalid"),
        ({"reason": "x" * 501}, "invalid"),
        ({"reason": "\0"}, "invalid"),
        ({"reason": "x", "domain": "stock"}, "invalid"),
        ({"reason": "x", "shop": "MAIN"}, "invalid"),
        ({"reason": "x", "domains": ["ghosts"]}, "invalid"),
        ({"reason": "x", "domains": []}, "invalid"),
        ({"reason": "x", "until": "tomorrow"}, "invalid"),
        ({"reason": "x", "until": "2020-01-01T00:00:00Z"}, "expired"),
    ],
)
def test_a_wrong_control_message_is_refused_and_audited(harness: ControlHarness, body: Any, word: str) -> None:
    reply = harness.ask("pause", body)
    assert (reply["result"], reply["epoch"]) == ("refused", 0)
    assert reply["error"].startswith(f"{word}: ")
    assert harness.pipeline.database.views.status().all_on
    [row] = audit(harness.pipeline)
    assert (row["action"], row["result"], row["error"]) == ("pause", "refused", reply["error"])
    assert harness.pipeline.queue_depth(CONTROL) == 0


@pytest.mark.parametrize("queue", ["comporta.stock", "erp.orders", "comporta.control", "amq.topic"])
def test_a_message_that_wants_its_reply_in_a_queue_of_others_is_refused_without_one(
    harness: ControlHarness, queue: str
) -> None:
    harness.send("pause", {"reason": "x"}, reply_to=queue)
    harness.step()
    assert harness.pipeline.database.views.status().all_on
    [row] = audit(harness.pipeline)
    assert row["result"] == "refused"
    assert "reply_to" in row["error"]
    if queue.startswith(("comporta.stock", "erp.")):
        assert harness.pipeline.queue_depth(queue) == 0
    assert harness.ask("pause", {"reason": "x"})["result"] == "off"


def test_the_status_is_not_written_into_a_queue_of_others(harness: ControlHarness) -> None:
    harness.send("status", b"", reply_to="erp.orders")
    harness.step()
    assert harness.pipeline.queue_depth("erp.orders") == 0


def test_a_message_around_the_exchange_is_refused(harness: ControlHarness) -> None:
    reply = harness.ask(CONTROL, {"reason": "x"}, exchange="")
    assert (reply["result"], reply["error"]) == ("refused", "invalid: the routing key must be pause, resume or status")


def test_an_old_message_is_refused_and_a_repeated_one_harmless(harness: ControlHarness) -> None:
    assert harness.ask("pause", {"reason": "x"}, message_id="m1")["result"] == "off"
    assert harness.ask("pause", {"reason": "x"}, message_id="m1")["result"] == "unchanged"
    old = harness.ask("resume", {"reason": "x", "issued_at": "2026-01-01T00:00:00Z"})
    assert (old["result"], old["error"].partition(":")[0]) == ("refused", "stale")
    assert harness.ask("resume", {"reason": "x"}, message_id="m2")["result"] == "on"
    # The pause once more, behind the resume that undid it: it was obeyed already.
    assert harness.ask("pause", {"reason": "x"}, message_id="m1")["result"] == "unchanged"


@pytest.mark.parametrize(
    ("timestamp", "result"), [(datetime(2026, 1, 1, tzinfo=UTC), "refused"), (datetime(2100, 1, 1, tzinfo=UTC), "on")]
)
def test_the_time_of_the_property_counts_where_the_message_names_none(
    harness: ControlHarness, timestamp: datetime, result: str
) -> None:
    harness.ask("pause", {"reason": "x"})
    assert harness.ask("resume", {"reason": "x"}, timestamp=int(timestamp.timestamp()))["result"] == result


def test_milliseconds_as_the_time_are_refused_by_name(harness: ControlHarness) -> None:
    reply = harness.ask("pause", {"reason": "x"}, timestamp=1_795_418_571_000)
    assert reply["error"] == "invalid: time_format: the property timestamp must be seconds since 1970"


def test_the_way_back_is_ready_before_anybody_asks(pipeline: Pipeline) -> None:
    steps: list[str] = []

    class Watched(SyncPublisher):
        def reopen(self) -> None:
            super().reopen()
            steps.append("ready" if self._producer is not None else "not ready")

        def publish(self, body: bytes, **given: Any) -> None:
            opened_before = self._producer
            super().publish(body, **given)
            steps.append("answered" if self._producer is opened_before else "connected")

    replies = Watched(pipeline.url, "test replies")
    controller = ControlConsumer(
        pipeline.url, pipeline.switchboard, pipeline.database.views.status, replies, pipeline.stop
    )
    running = threading.Thread(target=controller.run, daemon=True)
    running.start()
    wait_until(lambda: steps, what="the way back to be ready")
    pipeline.publish(b'{"reason": "x"}', key="pause", exchange=CONTROL, reply_to="nobody")
    wait_until(lambda: len(steps) > 1, what="an answer")
    pipeline.stop.set()
    running.join(10)
    assert not running.is_alive()
    replies.close()
    assert steps == ["ready", "answered"]


def test_who_asked_is_the_user_that_the_broker_vouches_for(rabbitmq_harness: ControlHarness) -> None:
    rabbitmq_harness.ask("pause", {"reason": "x"}, user_id="guest")
    rabbitmq_harness.ask("resume", {"reason": "x", "by": "Ana"}, user_id="guest")
    assert [(row["by"], row["user_id"], row["source"]) for row in audit(rabbitmq_harness.pipeline)] == [
        ("guest", "guest", "amqp"),
        ("Ana", "guest", "amqp"),
    ]


def test_a_message_without_a_way_back_is_obeyed(harness: ControlHarness) -> None:
    harness.send("pause", {"reason": "x"}, reply_to=None)
    harness.step()
    assert not harness.pipeline.database.views.status().all_on


def test_whoever_asked_may_be_gone(harness: ControlHarness) -> None:
    harness.send("pause", {"reason": "x"}, reply_to="nobody")
    harness.step()
    assert harness.ask("resume", {"reason": "x"})["result"] == "on"


@pytest.mark.parametrize("message_id", ["nul\0", "x" * 255, ""])
def test_an_odd_message_id_mutes_nothing(harness: ControlHarness, message_id: str) -> None:
    harness.send("pause", {"reason": "x"}, message_id=message_id)
    harness.step()
    harness.reply()
    assert harness.ask("pause", {"reason": "x"}, message_id="good")["result"] in {"off", "unchanged"}


def test_status_is_answered_while_everything_is_off(harness: ControlHarness) -> None:
    harness.ask("pause", {"reason": "x"})
    status = harness.ask("status", b"")
    assert status["epoch"] == 1
    assert status["switches"][0]["off"] is True
    assert status.keys() >= {"effective", "workers", "orders", "missed", "quarantined", "last_minute"}


def test_every_change_is_announced_once_and_in_order(harness: ControlHarness) -> None:
    harness.channel.queue_declare("listener", durable=False, exclusive=True)
    harness.channel.queue_bind("listener", STATUS, "")
    announcer = Announcer(harness.pipeline.url, harness.pipeline.stop)
    harness.pipeline.switchboard._announce = announcer.announce
    running = threading.Thread(target=announcer.run, daemon=True)
    running.start()
    for action in ("pause", "pause", "resume"):
        harness.ask(
            action, {"reason": "test", "by": "Ana", "shop": "a", "domains": ["stock", "prices"], "new_shop": True}
        )
    heard = []
    for _ in range(2):
        message = wait_until(lambda: harness.channel.basic_get("listener", no_ack=True), what="an announcement")
        heard.append(Announcement.model_validate_json(message.body))
    assert [(each.action, each.result, each.epoch) for each in heard] == [("pause", "off", 1), ("resume", "on", 2)]
    assert {(each.shop, tuple(each.domains), each.by, each.reason) for each in heard} == {
        ("a", ("stock", "prices"), "Ana", "test")
    }
    harness.pipeline.stop.set()
    running.join(10)
    assert not running.is_alive()
    assert harness.channel.basic_get("listener", no_ack=True) is None


def test_of_two_controllers_the_one_that_is_late_changes_nothing(rabbitmq_pipeline: Pipeline) -> None:
    first = ControlHarness(rabbitmq_pipeline)
    issued = datetime.now(UTC).isoformat()
    first.send("pause", {"reason": "held", "issued_at": issued}, message_id="m1")
    first.source.buffer(1)
    # The first has its one message in hand, so that the second gets all others.
    second = ControlHarness(rabbitmq_pipeline)
    assert second.ask("pause", {"reason": "asked again", "issued_at": issued}, message_id="m1")["result"] == "off"
    assert second.ask("resume", {"reason": "done"})["result"] == "on"
    first.step()
    assert first.reply()["result"] == "unchanged"
    first.send("pause", {"reason": "held", "issued_at": datetime.now(UTC).isoformat()}, message_id="m2")
    holding, other = (first, second) if taken(first, second) is first else (second, first)
    assert other.ask("pause", {"reason": "newer"})["result"] == "off"
    assert other.ask("resume", {"reason": "done"})["result"] == "on"
    holding.step()
    late = first.reply()
    assert (late["result"], late["error"].partition(":")[0]) == ("refused", "stale")
    first.close()
    second.close()


def taken(*harnesses: ControlHarness) -> ControlHarness:
    """The harness that has a message in hand."""

    def holding() -> ControlHarness | None:
        for harness in harnesses:
            harness.source.keep_alive(0.005)
            if harness.source._buffer:
                return harness
        return None

    found = wait_until(holding, what="one of them to have the message")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("expiration", "stood", "obeyed"), [(None, 9.0, True), (None, 11.0, False), ("2000", 3.0, False)]
)
def test_a_process_that_stood_still_gives_its_messages_back(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, expiration: str | None, stood: float, obeyed: bool
) -> None:
    harness = ControlHarness(pipeline)
    times = iter([0.0, stood])
    monkeypatch.setattr("control.consumer.time", SimpleNamespace(monotonic=lambda: next(times)))
    properties = {} if expiration is None else {"expiration": expiration}
    source = HeldSource(Delivery(CONTROL, 1, b'{"reason": "held"}', "pause", False, properties))
    if obeyed:
        assert harness.controller.step(source) == 1
    else:
        with pytest.raises(BrokerLost, match="stood still"):
            harness.controller.step(source)
    assert (source.settled, len(audit(pipeline))) == ((1, 1) if obeyed else (0, 0))
    harness.close()


@dataclass
class HeldSource:
    """Source with one delivery."""

    delivery: Delivery
    settled: int = 0

    def receive(self, wait: float) -> list[Delivery]:
        return [self.delivery]

    def settle(self, batch: Sequence[Delivery]) -> None:
        self.settled += len(batch)

    def keep_alive(self, seconds: float) -> None:
        """Nothing to keep."""


def test_a_message_that_nobody_takes_in_time_is_never_obeyed(rabbitmq_pipeline: Pipeline) -> None:
    with pytest.raises(NoReply, match="expired"):
        request(rabbitmq_pipeline.url, "pause", b'{"reason":"x"}', timeout=0.3)
    harness = ControlHarness(rabbitmq_pipeline)
    assert harness.ask("resume", {"reason": "the next"})["result"] == "unchanged"
    assert [row["reason"] for row in audit(rabbitmq_pipeline)] == ["the next"]
    harness.close()


@pytest.fixture
def to_database(postgres: Database) -> Iterator[Proxy]:
    """The way to the database."""
    with Proxy(postgres.port) as proxy:
        yield proxy


def test_a_pause_waits_for_a_database_that_is_away(vhost: str, database_url: str, to_database: Proxy) -> None:
    with open_pipeline(Backends(vhost, to_database.through(database_url))) as pipeline:
        harness = ControlHarness(pipeline)
        to_database.refuse()
        harness.send("pause", {"reason": "x"})
        stepping = threading.Thread(target=harness.step, daemon=True)
        stepping.start()
        wait_until(lambda: pipeline.queue_depth(CONTROL) == 0, what="the message to be taken")
        assert stepping.is_alive()
        to_database.resume()
        stepping.join(30)
        assert harness.reply()["result"] == "off"
        harness.close()
