"""The queues' readings, kept for other processes: consumers last seen, waiting since, broker away; both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import update

from rules.consumption import QueueState
from schemas.domains import DOMAIN_NAMES
from schemas.topology import QUEUES
from storage.feed_activity import FeedActivity
from storage.health_tables import queues
from storage.queues import QueueReadings, read_queues
from storage.tables import workers
from storage.workers import WorkerRegistry
from tests.support.views_harness import ViewsHarness

STOCK = "comporta.stock"
HOUR = timedelta(hours=1)


class QueuesHarness(ViewsHarness):
    """Database with the queues' readings, which can be made older."""

    @property
    def readings(self) -> QueueReadings:
        return QueueReadings(self.fence)

    def record(self, ready: int, consumers: int | None) -> QueueState:
        """Record a reading, and return the queue."""
        self.readings.record({STOCK: (ready, consumers)})
        return self.queue

    def away(self) -> QueueState:
        """Record that the broker is away, and return the queue."""
        self.readings.record_away([STOCK])
        return self.queue

    @property
    def queue(self) -> QueueState:
        with self.engine.connect() as connection:
            return read_queues(connection)[STOCK]

    def later(self, seconds: float) -> None:
        """Make the readings older, as if time had passed."""
        with self.engine.begin() as connection:
            for queue, state in read_queues(connection).items():
                times = ("checked_at", "consumed_at", "waiting_since", "away_since")
                moved = {name: at - timedelta(seconds=seconds) for name in times if (at := getattr(state, name))}
                connection.execute(update(queues).where(queues.c.queue == queue).values(moved))


@pytest.fixture
def harness(any_database_url: str) -> Iterator[QueuesHarness]:
    harness = QueuesHarness(any_database_url)
    yield harness
    harness.engine.dispose()


def test_a_reading_keeps_when_a_consumer_was_last_there(harness: QueuesHarness) -> None:
    first = harness.record(0, 2)
    assert (first.ready, first.consumers, first.consumed_at, first.waiting_since) == (0, 2, first.checked_at, None)
    harness.later(5)
    consumed_at = harness.queue.consumed_at
    second = harness.record(7, 0)
    assert (second.ready, second.consumers, second.consumed_at) == (7, 0, consumed_at)
    assert second.checked_at == second.waiting_since


def test_messages_wait_since_the_first_reading_with_any_until_one_with_none(harness: QueuesHarness) -> None:
    harness.record(3, 1)
    harness.later(5)
    waiting_since = harness.queue.waiting_since
    assert harness.record(9, 1).waiting_since == waiting_since
    harness.later(5)
    assert harness.record(0, 1).waiting_since is None


def test_a_reading_that_another_process_has_just_made_stays(harness: QueuesHarness) -> None:
    harness.record(3, 1)
    assert harness.record(9, 0).ready == 3
    harness.later(2)
    assert harness.record(9, 0).ready == 9


def test_the_broker_is_away_only_where_no_process_reaches_it(harness: QueuesHarness) -> None:
    harness.record(3, 1)
    harness.later(2)
    assert harness.away().away_since is None
    harness.later(3)
    away_since = harness.away().away_since
    assert away_since is not None
    harness.later(1)
    still = harness.away()
    assert still.away_since == away_since - timedelta(seconds=1)
    assert still.checked_at > still.away_since
    assert harness.record(4, 1).away_since is None


def test_the_status_says_what_is_stopped_and_how_much_waits(harness: QueuesHarness) -> None:
    beat = WorkerRegistry(harness.fence, "w1", DOMAIN_NAMES, lambda: {"stock": 0.25})
    beat.beat()
    FeedActivity(harness.fence).record({("main", "stock"): 3.0}, {})
    harness.readings.record(dict.fromkeys(QUEUES, (0, 1)))
    health = harness.views.status().health
    assert (health.state, health.ready) == ("ok", 0)
    stock = health.domains["stock"]
    assert (stock.lag, stock.ready, stock.consumers) == (0.25, 0, 1)
    assert stock.last_change is not None
    harness.later(60)
    with harness.engine.begin() as connection:
        connection.execute(update(workers).values(last_seen=stock.last_change - HOUR))
    harness.readings.record({name: (200 if name == STOCK else 0, 0) for name in QUEUES})
    stopped = harness.views.status().health
    assert (stopped.state, stopped.cause, stopped.ready) == ("stopped", "no_consumer", 200)
    assert stopped.since is not None
    assert stopped.domains["stock"].lag is None
