"""Requests after a resume: all keys, paced by the ERP's answers, none while anything over them is off."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from control.auto_resync import AutoResync
from producers.messages import Fate, OutgoingMessage, PublishResult
from rules.actions import NotConfirmed
from rules.resync import MOST_ASKED, ResyncModes, ResyncPace, parse_resync_modes
from storage.missed_requests import MissedRequests
from storage.repairs import Repairs
from storage.resync_plan import ResyncPlan
from storage.tables import missed, repairs
from storage.views import AuditFilter
from tests.support.storage_harness import StorageHarness, stock_change
from tests.support.wait import wait_until

AFTER = timedelta(minutes=10)


class Harness(StorageHarness):
    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.published: list[OutgoingMessage] = []
        self.fate = Fate.CONFIRMED
        self.meanwhile: Callable[[], object] = lambda: None
        self.loop = self.worker()

    def worker(self, name: str = "w1", modes: ResyncModes | None = None, most: int = 300) -> AutoResync:
        return AutoResync(
            ResyncPlan(self.fence, name, AFTER),
            MissedRequests(self.fence, AFTER),
            lambda: pytest.fail("no connection is opened"),
            threading.Event(),
            modes or parse_resync_modes("auto,south=off,east=ask"),
            most,
        )

    def publish(self, messages: Sequence[OutgoingMessage]) -> list[PublishResult]:
        self.published += messages
        results = [PublishResult(message, self.fate, "why") for message in messages]
        self.meanwhile()
        return results

    def step(self, loop: AutoResync | None = None) -> int:
        loop = loop or self.loop
        return loop.step(self.publish, loop.scopes())

    def keys(self) -> list[str]:
        """The product codes that the ERP was asked for, in their order."""
        bodies = (json.loads(message.body)["data"] for message in self.published)
        return [key["product_code"] for data in bodies for key in data["keys"]]

    def pause_and_resume(self, number: int, shop: str = "main", version: int = 1) -> None:
        before = len(Repairs(self.fence).sheets())
        self.change("pause")
        for start in range(0, number, 500):
            numbers = range(start, min(number, start + 500))
            self.commit(*(stock_change(version, f"P{each:04}", shop=shop) for each in numbers))
        self.change("resume")

        def counted() -> bool:
            sheets = Repairs(self.fence).sheets()
            return len(sheets) > before and sheets[0].missed is not None

        wait_until(counted, what="the sheet to be counted")

    def answer(self, number: int, version: int = 1) -> None:
        """Let the ERP answer so many of the oldest requests."""
        with self.engine.connect() as connection:
            query = select(missed.c.key).where(missed.c.asked_at.is_not(None)).order_by(missed.c.key).limit(number)
            codes = [json.loads(key)["product_code"] for key in connection.scalars(query)]
        self.commit(*(stock_change(version, code, id=f"again-{code}") for code in codes))

    def grow_older(self, by: timedelta) -> None:
        with self.engine.begin() as connection:
            for table, column in (
                (missed, missed.c.asked_at),
                (repairs, repairs.c.at),
                (missed, missed.c.discarded_at),
            ):
                moment = connection.scalar(select(func.max(column, type_=column.type)))
                connection.execute(update(table).values({column.name: moment - by}))


@pytest.fixture
def harness(any_database_url: str) -> Iterator[Harness]:
    harness = Harness(any_database_url)
    yield harness
    harness.engine.dispose()


def test_every_key_is_asked_for_once_and_only_so_many_are_unanswered(harness: Harness) -> None:
    harness.pause_and_resume(900)
    asked = [harness.step()]
    assert (asked, harness.step()) == ([200], 0)
    while len(harness.keys()) < 900:
        harness.answer(200)
        asked.append(harness.step())
        assert 0 < asked[-1] <= 300
    harness.answer(900)
    assert harness.step() == 0
    assert sorted(harness.keys()) == [f"P{number:04}" for number in range(900)]
    assert {(message.exchange, message.routing_key) for message in harness.published} == {("erp.resync", "main.stock")}
    [entry] = harness.views.rows(AuditFilter(action="resync"))
    assert (entry["by"], entry["source"], entry["count"], entry["shop"]) == ("comporta", "clock", 900, "main")
    assert harness.views.rows(AuditFilter(action="resync"))[0]["domains"] == ["stock"]


def test_a_pause_stops_the_asking_between_two_messages(harness: Harness) -> None:
    harness.loop = harness.worker(most=2_000)
    harness.loop._paces["main"] = ResyncPace(2_000, 2_000)
    harness.pause_and_resume(1_500)
    harness.meanwhile = lambda: harness.change("pause", shop="main", domains=["stock"])
    assert harness.step() == 500
    assert harness.step() == 0
    assert len(harness.published) == 1
    # What it was asked for before was answered into the pause: it is asked for again, at once.
    harness.meanwhile = lambda: None
    harness.change("resume", shop="main", domains=["stock"])
    wait_until(lambda: Repairs(harness.fence).sheets()[0].missed, what="the sheet to be counted")
    assert harness.step() == 1_500


def test_shops_without_the_mode_are_left_to_their_operators(harness: Harness) -> None:
    harness.change("pause", shop="*")
    shops = ("south", "east", "north")
    harness.commit(*(stock_change(1, "P1", shop=shop) for shop in shops))
    harness.change("resume")
    wait_until(lambda: Repairs(harness.fence).sheets()[0].missed, what="the sheet to be counted")
    assert harness.step() == 1
    assert [message.routing_key for message in harness.published] == ["north.stock"]


def test_keys_that_no_pause_has_cost_are_not_asked_for(harness: Harness) -> None:
    harness.pause_and_resume(1)
    with harness.engine.begin() as connection:
        row = connection.execute(select(missed)).one()._asdict()
        filed = {**row, "key": row["key"].replace("P0000", "filed"), "discarded_at": row["discarded_at"] + AFTER}
        connection.execute(missed.insert(), filed)
    harness.step()
    assert harness.keys() == ["P0000"]


def test_a_key_that_is_not_answered_is_asked_for_again_and_given_up_in_the_end(harness: Harness) -> None:
    harness.pause_and_resume(3)
    asked = []
    for _ in range(MOST_ASKED + 2):
        asked.append(harness.step())
        assert harness.step() == 0
        harness.grow_older(AFTER + timedelta(seconds=1))
    assert asked == [3] * MOST_ASKED + [0, 0]


def test_one_worker_at_a_time_asks(harness: Harness) -> None:
    first, second = ResyncPlan(harness.fence, "w1", AFTER), ResyncPlan(harness.fence, "w2", AFTER)
    assert (first.claim(), second.claim(), first.claim()) == (True, False, True)
    first.release()
    assert second.claim()


def test_a_broker_that_takes_no_request_is_named_and_nothing_is_remembered(harness: Harness) -> None:
    harness.pause_and_resume(1)
    harness.fate = Fate.RETURNED
    with pytest.raises(NotConfirmed, match="no queue is bound"):
        harness.step()
    harness.fate = Fate.CONFIRMED
    assert harness.step() == 1
