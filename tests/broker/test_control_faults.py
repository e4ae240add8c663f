"""Control messages in two hands, held too long, taken by nobody, or with the database away."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from broker.connection import BrokerLost
from consumers.delivery import Delivery
from control.client import request
from producers.errors import NoReply
from schemas.topology import CONTROL
from tests.support.control_harness import ControlHarness, audit
from tests.support.pipeline import Backends, Pipeline, open_pipeline
from tests.support.services.postgres import Database
from tests.support.services.proxy import Proxy
from tests.support.wait import wait_until


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
