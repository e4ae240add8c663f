"""The tail of committed outcomes, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, func, select

from control.switchboard import Switchboard
from rules.outcomes import Outcome, RejectedDelivery
from schemas.control import Command, ControlMessage
from schemas.events import ChangeEvent, parse_event
from schemas.reasons import Reason, Refusal
from storage.dialect import database_now
from storage.engine import open_engine
from storage.event_store import EventStore
from storage.fence import fence_for
from storage.tables import outcomes, watchers
from storage.tail import MOST_LINES, RETENTION, OutcomeTail, TailPage, forget_outcomes, record_outcomes
from storage.workers import WorkerRegistry
from tests.support.event_samples import SAMPLES, sample_event

BAD = RejectedDelivery("?", "stock", Refusal(Reason.ROUTING_KEY, "", "no"), b"x", "x", "", {}, False)
NO_LEASE = timedelta(0)


class TailHarness:
    """A database, and a worker's way into it."""

    def __init__(self, url: str) -> None:
        self.engine: Engine = open_engine(url)
        self.fence = fence_for(self.engine)
        self.switchboard = Switchboard(self.fence, lambda _: None)
        self.store = self.worker("w1")

    def worker(self, name: str) -> EventStore:
        return EventStore(self.fence, self.switchboard, name)

    def watch(self, **lease: timedelta) -> OutcomeTail:
        return OutcomeTail(self.engine, **lease)

    def count(self, table: Any) -> int:
        with self.engine.connect() as connection:
            return connection.scalar(select(func.count()).select_from(table)) or 0

    def tell(self, connection: Connection, version: int, *, ago: timedelta = timedelta(0)) -> datetime:
        """What a watched batch writes."""
        now = database_now(connection)
        record_outcomes(connection, "w1", [stock(version)], [Outcome.APPLIED], now - ago)
        return now


@pytest.fixture
def harness(any_database_url: str) -> Iterator[TailHarness]:
    harness = TailHarness(any_database_url)
    yield harness
    harness.engine.dispose()


def stock(version: int, code: str = "P1", shop: str = "main") -> ChangeEvent:
    return parse_event("stock", shop, sample_event("stock", envelope={"sequence": str(version)}, product_code=code))


def versions(look: TailPage) -> list[int]:
    return [line["version"] for batch in look.batches for line in batch.lines]


def test_nothing_is_told_while_nobody_watches(harness: TailHarness) -> None:
    harness.store.commit([stock(1), BAD])
    assert harness.count(outcomes) == 0


def test_every_outcome_is_seen_once_with_its_key_version_and_reason(harness: TailHarness) -> None:
    harness.store.commit([stock(5, "old")])
    pause = ControlMessage.model_validate({"reason": "test", "shop": "shut", "new_shop": True})
    harness.switchboard.change(Command("pause", pause, "amqp"))
    with harness.watch() as watcher:
        batch = [stock(1), stock(2), stock(5, "old"), stock(3, shop="shut"), BAD, stock(2)]
        harness.store.commit(batch)
        [seen] = watcher.look().batches
        assert watcher.look().batches == ()
    key = {"product_code": "P1", "branch": "1", "warehouse": "W", "lot": ""}
    assert [line["outcome"] for line in seen.lines] == [
        "superseded",
        "applied",
        "superseded",
        "discarded",
        "quarantined",
        "superseded",
    ]
    assert [line["version"] for line in seen.lines] == [1, 2, 5, 3, None, 2]
    assert [line["shop"] for line in seen.lines] == ["main", "main", "main", "shut", "?", "main"]
    assert [line["key"] for line in seen.lines] == [key, key, key | {"product_code": "old"}, key, None, key]
    assert [line["reason"] for line in seen.lines] == [None, None, None, None, "routing_key", None]
    assert seen.left_out == 0


@pytest.mark.parametrize("domain", SAMPLES)
def test_an_applied_event_of_every_domain_is_told_as_such(harness: TailHarness, domain: str) -> None:
    optional = {"min_qty": "2.50", "valid_from": "2026-06-01T00:00:00+05:30"} if domain == "prices" else {}
    with harness.watch() as watcher:
        harness.store.commit([parse_event(domain, "main", sample_event(domain, **optional))])
        harness.store.commit([parse_event(domain, "main", sample_event(domain, **optional))])
        told = [line["outcome"] for batch in watcher.look().batches for line in batch.lines]
    assert told == ["applied", "superseded"]


def test_only_what_comes_after_the_start_is_seen(harness: TailHarness) -> None:
    with harness.watch() as first:
        harness.store.commit([stock(1)])
        with harness.watch() as second:
            harness.store.commit([stock(2)])
            assert versions(second.look()) == [2]
        assert versions(first.look()) == [1, 2]


def test_a_batch_that_commits_after_a_later_one_is_neither_skipped_nor_shown_twice(database_url: str) -> None:
    harness = TailHarness(database_url)
    with harness.watch() as watcher, harness.engine.connect() as slow:
        harness.tell(slow, 1)
        harness.worker("w2").commit([stock(2)])
        assert versions(watcher.look()) == [2]
        slow.commit()
        assert versions(watcher.look()) == [1]
        assert versions(watcher.look()) == []
    harness.engine.dispose()


def test_a_batch_that_is_rolled_back_is_never_seen(database_url: str) -> None:
    harness = TailHarness(database_url)
    with harness.watch() as watcher:
        with harness.engine.connect() as failing:
            harness.tell(failing, 1)
        assert versions(watcher.look()) == []
    harness.engine.dispose()


def test_what_is_left_out_of_a_large_batch_is_counted(harness: TailHarness) -> None:
    with harness.watch() as watcher:
        harness.store.commit([stock(n, f"P{n}") for n in range(MOST_LINES + 7)])
        [seen] = watcher.look().batches
    assert (len(seen.lines), seen.left_out) == (MOST_LINES, 7)


def test_the_last_watcher_takes_everything_away(harness: TailHarness) -> None:
    with harness.watch():
        with harness.watch():
            harness.store.commit([stock(1)])
        assert harness.count(outcomes) == 1
    assert (harness.count(outcomes), harness.count(watchers)) == (0, 0)
    harness.store.commit([stock(2)])
    assert harness.count(outcomes) == 0


def test_a_watcher_that_was_killed_is_told_nothing_and_soon_forgotten(harness: TailHarness) -> None:
    harness.watch(lease=NO_LEASE).__enter__()
    harness.store.commit([stock(1)])
    assert (harness.count(outcomes), harness.count(watchers)) == (0, 1)
    WorkerRegistry(harness.fence, "w1", ("stock",)).beat()
    assert harness.count(watchers) == 0


def test_outcomes_are_kept_for_a_minute(harness: TailHarness) -> None:
    with harness.engine.begin() as connection:
        harness.tell(connection, 1, ago=RETENTION + timedelta(seconds=1))
        harness.tell(connection, 2, ago=RETENTION - timedelta(seconds=30))
    WorkerRegistry(harness.fence, "w1", ("stock",)).beat()
    assert harness.count(outcomes) == 1


def test_a_watcher_that_slept_too_long_is_told_so_and_watches_on(harness: TailHarness) -> None:
    with harness.watch(lease=NO_LEASE) as watcher:
        assert watcher.look().lapsed
        assert harness.count(watchers) == 1
    with harness.watch() as watcher:
        assert not watcher.look().lapsed


def test_batches_that_age_out_before_they_are_read_are_counted(harness: TailHarness) -> None:
    with harness.watch() as watcher:
        with harness.engine.begin() as connection:
            for version in range(60):
                now = harness.tell(connection, version)
        look = watcher.look()
        assert (versions(look), look.more, look.removed) == (list(range(50)), True, 0)
        with harness.engine.begin() as connection:
            forget_outcomes(connection, now + RETENTION + timedelta(seconds=1))
        look = watcher.look()
    assert (look.batches, look.more, look.removed) == ((), False, 10)
