"""The feeds as people see them: outcomes, quarantine, unknown fields, distances, silence; on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from rules.feeds import WEEK, Distances
from schemas.reasons import Reason
from storage.feed_activity import FeedActivity
from storage.health_tables import feed_activity, feed_hours
from storage.tables import ledger
from storage.views.feeds import FeedRow, FeedsView
from tests.support.views_harness import ViewsHarness, change_event, rejected_delivery

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
ALL_MINUTES = (1 << 60) - 1


class FeedsHarness(ViewsHarness):
    """Database with feeds that have a past."""

    def feeds(self) -> list[FeedRow]:
        """Read the feeds anew."""
        return FeedsView(self.engine).rows()

    def record(self, *shops: str, age: float = 0.0, distances: Distances | None = None) -> None:
        """Record a stock delivery of each shop."""
        scopes = [(shop, "stock") for shop in shops]
        found = {} if distances is None else dict.fromkeys(scopes, distances)
        FeedActivity(self.fence).record(dict.fromkeys(scopes, age), found)

    def silence(self, shop: str, span: timedelta) -> datetime:
        """Let a feed be silent for so long; return its last delivery."""
        last_at = datetime.now(UTC) - span
        with self.fence.shared() as connection:
            connection.execute(update(feed_activity).where(feed_activity.c.shop == shop).values(last_at=last_at))
        return last_at

    def sent_before(self, shop: str, *weeks: int, around: datetime) -> None:
        """Let a feed have sent in every minute of the day around a time, so many weeks before."""
        hour = around.replace(minute=0, second=0, microsecond=0)
        rows = [
            {"shop": shop, "domain": "stock", "hour": hour - WEEK * week + HOUR * shift, "minutes": ALL_MINUTES}
            for week in weeks
            for shift in range(-12, 13)
        ]
        self.fill(feed_hours, rows)


@pytest.fixture
def harness(any_database_url: str) -> Iterator[FeedsHarness]:
    harness = FeedsHarness(any_database_url)
    yield harness
    harness.engine.dispose()


def test_without_any_event_there_is_no_feed(harness: FeedsHarness) -> None:
    assert harness.feeds() == []


def test_a_feed_tells_what_became_of_its_messages(harness: FeedsHarness) -> None:
    newest = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
    harness.store.commit([change_event("stock", version=2), change_event("stock", version=1)])
    harness.store.commit([rejected_delivery(b"1"), rejected_delivery(b"2", reason=Reason.ROUTING_KEY)])
    harness.record("main", distances=Distances(newest.timestamp(), 1.0, 5.0, 12.0, 4))
    FeedActivity(harness.fence).record({("main", "orders"): 0.0}, {})
    [feed] = harness.feeds()
    assert (feed["shop"], feed["domain"], feed["trouble"], feed["silence"]) == ("main", "stock", [], None)
    assert feed["event_at"] == newest
    assert feed["behind"] is not None
    assert (feed["behind"]["least"], feed["behind"]["mean"], feed["behind"]["most"]) == (1.0, 3.0, 5.0)
    assert feed["recent"] == {"applied": 1, "superseded": 1, "discarded": 0, "quarantined": 2}
    assert feed["superseded_share"] == 0.25
    assert feed["quarantined"] == {Reason.NO_VERSION.value: 1, Reason.ROUTING_KEY.value: 1}


def test_a_feed_whose_events_are_nearly_all_old_is_in_trouble_and_comes_first(harness: FeedsHarness) -> None:
    harness.store.commit([change_event("stock", shop="z", version=5)])
    harness.store.commit([change_event("stock", shop="z", version=1) for _ in range(30)])
    harness.store.commit([change_event("stock", shop="a")])
    harness.record("a", "z")
    assert [(feed["shop"], feed["trouble"]) for feed in harness.feeds()] == [("z", ["superseded"]), ("a", [])]


def test_a_silence_is_unusual_if_the_feed_usually_sends_then(harness: FeedsHarness) -> None:
    harness.consume()
    harness.record("usual", "resting", "young", "sending")
    for shop in ("usual", "resting", "young"):
        last_at = harness.silence(shop, 3 * HOUR)
    harness.sent_before("usual", 1, 2, 3, 4, around=last_at)
    harness.sent_before("resting", 1, 2, 3, 4, around=last_at - 36 * HOUR)
    harness.sent_before("young", 1, around=last_at)
    found = {feed["shop"]: feed for feed in harness.feeds()}
    assert found["usual"]["silence"] == {"unusual": True, "sent": 4, "weeks": 4}
    assert found["usual"]["trouble"] == ["silent"]
    assert found["resting"]["silence"] == {"unusual": False, "sent": 0, "weeks": 4}
    assert found["young"]["silence"] == {"unusual": None, "sent": 1, "weeks": 1}
    assert found["sending"]["silence"] is None


def test_while_nothing_is_taken_no_feed_is_called_silent(harness: FeedsHarness) -> None:
    harness.record("main")
    harness.sent_before("main", 1, 2, 3, 4, around=harness.silence("main", 3 * HOUR))
    harness.stop_consuming()
    [feed] = harness.feeds()
    assert (feed["silence"], feed["trouble"]) == (None, [])


def test_names_that_are_no_shops_are_counted_together(harness: FeedsHarness) -> None:
    harness.store.commit([change_event("stock")])
    harness.store.commit([rejected_delivery(b"1", shop="made-up"), rejected_delivery(b"2", shop="another")])
    assert harness.views.recent_deliveries() == {
        ("main", "stock"): {"applied": 1},
        ("?", "stock"): {"quarantined": 2},
    }


def test_deliveries_of_more_than_a_quarter_of_an_hour_ago_are_not_recent(harness: FeedsHarness) -> None:
    harness.store.commit([change_event("stock")])
    minute = datetime.now(UTC).replace(second=0, microsecond=0)
    with harness.fence.shared() as connection:
        connection.execute(update(ledger).values(minute=minute - 17 * MINUTE))
    assert harness.views.recent_deliveries() == {}
