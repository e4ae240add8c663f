"""Outcomes for whoever watches, on SQLite and on PostgreSQL."""

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


class Place:
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
def place(any_database_url: str) -> Iterator[Place]:
    place = Place(any_database_url)
    yield place
    place.engine.dispose()


def stock(version: int, code: str = "P1", shop: str = "main") -> ChangeEvent:
    return parse_event("stock", shop, sample_event("stock", envelope={"sequence": str(version)}, product_code=code))


def versions(look: TailPage) -> list[int]:
    return [line["version"] for batch in look.batches for line in batch.lines]


def test_nothing_is_told_while_nobody_watches(place: Place) -> None:
    place.store.commit([stock(1), BAD])
    assert place.count(outcomes) == 0


def test_every_outcome_is_seen_once_with_its_key_version_and_reason(place: Place) -> None:
    place.store.commit([stock(5, "old")])
    pause = ControlMessage.model_validate({"reason": "test", "shop": "shut"})
    place.switchboard.change(Command("pause", pause, "amqp"))
    with place.watch() as watcher:
        batch = [stock(1), stock(2), stock(5, "old"), stock(3, shop="shut"), BAD, stock(2)]
        place.store.commit(batch)
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
def test_an_applied_event_of_every_domain_is_told_as_such(place: Place, domain: str) -> None:
    optional = {"min_qty": "2.50", "valid_from": "2026-06-01T00:00:00+05:30"} if domain == "prices" else {}
    with place.watch() as watcher:
        place.store.commit([parse_event(domain, "main", sample_event(domain, **optional))])
        place.store.commit([parse_event(domain, "main", sample_event(domain, **optional))])
        told = [line["outcome"] for batch in watcher.look().batches for line in batch.lines]
    assert told == ["applied", "superseded"]


def test_only_what_comes_after_the_start_is_seen(place: Place) -> None:
    with place.watch() as first:
        place.store.commit([stock(1)])
        with place.watch() as second:
            place.store.commit([stock(2)])
            assert versions(second.look()) == [2]
        assert versions(first.look()) == [1, 2]


def test_a_batch_that_commits_after_a_later_one_is_neither_skipped_nor_shown_twice(database_url: str) -> None:
    place = Place(database_url)
    with place.watch() as watcher, place.engine.connect() as slow:
        place.tell(slow, 1)
        place.worker("w2").commit([stock(2)])
        assert versions(watcher.look()) == [2]
        slow.commit()
        assert versions(watcher.look()) == [1]
        assert versions(watcher.look()) == []
    place.engine.dispose()


def test_a_batch_that_is_rolled_back_is_never_seen(database_url: str) -> None:
    place = Place(database_url)
    with place.watch() as watcher:
        with place.engine.connect() as failing:
            place.tell(failing, 1)
        assert versions(watcher.look()) == []
    place.engine.dispose()


def test_what_is_left_out_of_a_large_batch_is_counted(place: Place) -> None:
    with place.watch() as watcher:
        place.store.commit([stock(n, f"P{n}") for n in range(MOST_LINES + 7)])
        [seen] = watcher.look().batches
    assert (len(seen.lines), seen.left_out) == (MOST_LINES, 7)


def test_the_last_watcher_takes_everything_away(place: Place) -> None:
    with place.watch():
        with place.watch():
            place.store.commit([stock(1)])
        assert place.count(outcomes) == 1
    assert (place.count(outcomes), place.count(watchers)) == (0, 0)
    place.store.commit([stock(2)])
    assert place.count(outcomes) == 0


def test_a_watcher_that_was_killed_is_told_nothing_and_soon_forgotten(place: Place) -> None:
    place.watch(lease=NO_LEASE).__enter__()
    place.store.commit([stock(1)])
    assert (place.count(outcomes), place.count(watchers)) == (0, 1)
    WorkerRegistry(place.fence, "w1", ("stock",)).beat()
    assert place.count(watchers) == 0


def test_outcomes_are_kept_for_a_minute(place: Place) -> None:
    with place.engine.begin() as connection:
        place.tell(connection, 1, ago=RETENTION + timedelta(seconds=1))
        place.tell(connection, 2, ago=RETENTION - timedelta(seconds=30))
    WorkerRegistry(place.fence, "w1", ("stock",)).beat()
    assert place.count(outcomes) == 1


def test_a_watcher_that_slept_too_long_is_told_so_and_watches_on(place: Place) -> None:
    with place.watch(lease=NO_LEASE) as watcher:
        assert watcher.look().lapsed
        assert place.count(watchers) == 1
    with place.watch() as watcher:
        assert not watcher.look().lapsed


def test_batches_that_age_out_before_they_are_read_are_counted(place: Place) -> None:
    with place.watch() as watcher:
        with place.engine.begin() as connection:
            for version in range(60):
                now = place.tell(connection, version)
        look = watcher.look()
        assert (versions(look), look.more, look.removed) == (list(range(50)), True, 0)
        with place.engine.begin() as connection:
            forget_outcomes(connection, now + RETENTION + timedelta(seconds=1))
        look = watcher.look()
    assert (look.batches, look.more, look.removed) == ((), False, 10)
