"""What a worker gathers of its feeds between two heartbeats, and what it keeps while the database is away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from consumers.decode import decode
from consumers.delivery import Delivery
from consumers.feed_pulse import FeedPulse
from consumers.observer import BatchStats, distances_of
from rules.feeds import Distances
from rules.outcomes import Outcome
from storage.errors import Unavailable
from tests.support.event_samples import sample_event

TIME = datetime(2026, 11, 23, 7, 22, 51, tzinfo=UTC)
STOCK = ("main", "stock")
DISTANCES = {STOCK: Distances(TIME.timestamp(), 1.0, 2.0, 3.0, 2)}


class Kept:
    """A record in memory, which may be away."""

    def __init__(self) -> None:
        self.away = False
        self.found: list[tuple[dict[Any, float], dict[Any, Distances]]] = []

    def record(self, ages: Mapping[Any, float], distances: Mapping[Any, Distances]) -> None:
        if self.away:
            raise Unavailable("away")
        self.found.append((dict(ages), dict(distances)))


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def batch(shop: str = "main", outcome: Outcome = Outcome.APPLIED, distances: Any = DISTANCES) -> BatchStats:
    return BatchStats(Counter({(shop, "stock", outcome): 1}), 0.01, {}, {}, distances)


def test_batches_are_gathered_and_written_every_two_seconds() -> None:
    kept, clock = Kept(), Clock()
    pulse = FeedPulse(kept, clock)
    pulse.observe(batch())
    clock.now = 101.0
    pulse.observe(batch())
    pulse.flush()
    assert kept.found == []
    clock.now = 102.0
    pulse.flush()
    assert kept.found == [({STOCK: 1.0}, {STOCK: Distances(TIME.timestamp(), 1.0, 2.0, 6.0, 4)})]
    clock.now = 104.0
    pulse.flush()
    assert len(kept.found) == 1


def test_what_could_not_be_written_is_kept() -> None:
    kept, clock = Kept(), Clock()
    pulse = FeedPulse(kept, clock)
    pulse.observe(batch())
    kept.away = True
    with pytest.raises(Unavailable):
        pulse.flush(now=True)
    kept.away, clock.now = False, 110.0
    pulse.observe(batch("other", distances={}))
    pulse.flush()
    assert kept.found == [({STOCK: 10.0, ("other", "stock"): 0.0}, DISTANCES)]


def test_a_name_that_only_unreadable_messages_bear_is_no_feed() -> None:
    kept = Kept()
    pulse = FeedPulse(kept, Clock())
    pulse.observe(batch("made-up", Outcome.QUARANTINED, {}))
    pulse.flush(now=True)
    assert kept.found == []
    pulse.observe(batch())
    pulse.observe(batch(outcome=Outcome.QUARANTINED, distances={}))
    pulse.flush(now=True)
    assert [ages for ages, _ in kept.found] == [{STOCK: 0.0}]


def item(at: datetime, queue: str = "comporta.stock", shop: str = "main") -> tuple[Delivery, Any]:
    time = at.isoformat().replace("+00:00", "Z")
    body = sample_event("stock", envelope={"time": time})
    delivery = Delivery(queue, 1, body, f"{shop}.stock", False, {"content_type": "application/json"})
    return delivery, decode(delivery)


def test_distances_are_those_of_the_events_own_times_ahead_ones_negative() -> None:
    now = TIME.timestamp() + 10
    items = [item(TIME), item(TIME + timedelta(seconds=12)), item(TIME, shop="other")]
    assert distances_of(items, now) == {
        STOCK: Distances(TIME.timestamp() + 12, -2.0, 10.0, 8.0, 2),
        ("other", "stock"): Distances(TIME.timestamp(), 10.0, 10.0, 10.0, 1),
    }


def test_of_a_large_batch_a_sample_is_measured_with_its_last_event() -> None:
    items = [item(TIME + timedelta(seconds=number)) for number in range(100)]
    [found] = distances_of(items, TIME.timestamp() + 100).values()
    assert 7 <= found.measured <= 9
    assert found.newest == TIME.timestamp() + 99


def test_dead_letters_and_unreadable_messages_are_not_measured() -> None:
    unreadable = Delivery("comporta.stock", 1, b"rubbish", "main.stock", False, {})
    dead = (item(TIME)[0]._replace(queue="comporta.dead"), item(TIME)[1])
    assert distances_of([(unreadable, decode(unreadable)), dead], TIME.timestamp()) == {}
