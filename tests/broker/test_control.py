"""Control messages are obeyed one at a time and answered once they hold: one suite for both brokers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from broker.sync_publisher import SyncPublisher
from control.announcer import Announcer
from control.consumer import ControlConsumer
from schemas.control import Announcement
from schemas.topology import CONTROL, STATUS
from tests.support.control_harness import ControlHarness, audit
from tests.support.pipeline import Pipeline, stock_event
from tests.support.wait import wait_until

REPLY_FIELDS = {"result", "epoch", "effective_at", "in_flight_orders", "still_off", "error"}


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


def test_another_command_under_the_same_id_is_no_repeat(harness: ControlHarness) -> None:
    def ask(action: str, **fields: Any) -> str:
        return str(harness.ask(action, {"reason": "x", **fields}, message_id="maintenance 42")["result"])

    assert ask("pause", domains=["stock", "prices"]) == "off"
    assert ask("pause", domains=["orders"]) == "off"
    assert ask("pause", domains=["stock", "prices"]) == "unchanged"
    assert ask("resume", domains=["stock", "prices"]) == "on"
    # Delivered again, each of them: it was obeyed.
    assert ask("pause", domains=["stock", "prices"]) == "unchanged"
    assert ask("resume", domains=["stock", "prices"]) == "unchanged"
    assert [off["domain"] for off in harness.ask("resume", {"reason": "x"})["still_off"]] == ["orders"]


def test_commands_that_have_waited_take_effect_in_the_order_of_their_issue(harness: ControlHarness) -> None:
    begin = datetime.now(UTC) - timedelta(minutes=5)

    def ask(action: str, minute: int, **fields: Any) -> str:
        issued = (begin + timedelta(minutes=minute)).isoformat()
        return str(harness.ask(action, {"reason": "x", "issued_at": issued, **fields})["result"])

    assert ask("pause", 1, domains=["stock"]) == "off"
    assert ask("resume", 0, domains=["stock"]) == "refused"
    assert ask("pause", 2, domains=["stock", "prices"]) == "off"
    assert ask("resume", 1, domains=["prices", "stock"]) == "refused"
    assert ask("resume", 3, domains=["prices", "stock"]) == "on"
    assert ask("pause", 2, domains=["stock"]) == "refused"
    # A command that says no time is issued when it takes effect.
    assert harness.ask("pause", {"reason": "x", "domains": ["stock"]})["result"] == "off"
    assert ask("resume", 4, domains=["stock"]) == "refused"


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


def test_the_sender_of_a_request_may_be_gone(harness: ControlHarness) -> None:
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
