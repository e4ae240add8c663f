"""What is kept of each feed: its last delivery, the distances of its events, the minutes in which it sent."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, select, update

from rules.feeds import Distances
from storage.engine import open_engine
from storage.feed_activity import FeedActivity
from storage.health_tables import feed_activity, feed_hours
from storage.migrate import alembic_config
from storage.tables import ledger, shops
from tests.support.storage_harness import StorageHarness

STOCK, ORDERS = ("main", "stock"), ("main", "orders")
TIME = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)


@pytest.fixture
def harness(any_database_url: str) -> Iterator[StorageHarness]:
    harness = StorageHarness(any_database_url)
    yield harness
    harness.engine.dispose()


def row(harness: StorageHarness, domain: str = "stock") -> dict[str, object]:
    with harness.engine.connect() as connection:
        found = connection.execute(select(feed_activity).where(feed_activity.c.domain == domain)).one()
        return dict(found._mapping)


def distances(newest: float, least: float, most: float, measured: int) -> dict[tuple[str, str], Distances]:
    return {STOCK: Distances(newest, least, most, (least + most) / 2 * measured, measured)}


def test_the_last_delivery_is_the_newest_of_all_workers(harness: StorageHarness) -> None:
    FeedActivity(harness.fence).record({STOCK: 1.0}, {})
    newest = row(harness)["last_at"]
    FeedActivity(harness.fence).record({STOCK: 60.0, ORDERS: 2.0}, {})
    assert row(harness)["last_at"] == newest
    assert row(harness, "orders")["last_at"] < newest  # type: ignore[operator]


def test_the_distances_are_those_of_the_last_minute_that_had_any(harness: StorageHarness) -> None:
    one, other = FeedActivity(harness.fence), FeedActivity(harness.fence)
    one.record({STOCK: 0.0}, {})
    assert row(harness)["measured"] is None
    one.record({STOCK: 0.0}, distances(TIME.timestamp(), -2.0, 5.0, 10))
    with harness.engine.begin() as connection:
        # Otherwise the minute may change between two records.
        connection.execute(update(feed_activity).values(minute=datetime.now(UTC) + timedelta(hours=1)))
    other.record({STOCK: 0.0}, distances(TIME.timestamp() - 60, 1.0, 9.0, 4))
    found = row(harness)
    assert (found["event_at"], found["behind_least"], found["behind_most"]) == (TIME, -2.0, 9.0)
    assert (found["behind_sum"], found["measured"]) == (35.0, 14)
    one.record({STOCK: 0.0}, {})
    assert row(harness)["measured"] == 14
    with harness.engine.begin() as connection:
        connection.execute(update(feed_activity).values(minute=TIME))
    one.record({STOCK: 0.0}, distances(TIME.timestamp() + 60, 3.0, 4.0, 2))
    found = row(harness)
    assert (found["event_at"], found["behind_least"], found["behind_most"], found["measured"]) == (
        TIME + timedelta(minutes=1),
        3.0,
        4.0,
        2,
    )


def test_each_minute_with_a_delivery_is_a_bit_of_its_hour_and_orders_have_none(harness: StorageHarness) -> None:
    activity = FeedActivity(harness.fence)
    activity.record({STOCK: 120.0, ORDERS: 1.0}, {})
    activity.record({STOCK: 60.0}, {})
    FeedActivity(harness.fence).record({STOCK: 60.0}, {})
    with harness.engine.connect() as connection:
        found = connection.execute(select(feed_hours)).all()
    assert {(hour.shop, hour.domain) for hour in found} == {STOCK}
    assert sum(hour.minutes.bit_count() for hour in found) == 2
    assert all(hour.hour.minute == hour.hour.second == hour.hour.microsecond == 0 for hour in found)


def test_hours_that_no_silence_is_compared_with_are_deleted(harness: StorageHarness) -> None:
    old = {"shop": "main", "domain": "stock", "minutes": 1}
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    with harness.fence.shared() as connection:
        hours = [{**old, "hour": now - timedelta(days=days)} for days in (35, 37)]
        connection.execute(feed_hours.insert(), hours)
    FeedActivity(harness.fence).record({STOCK: 0.0}, {})
    with harness.engine.connect() as connection:
        kept = set(connection.scalars(select(feed_hours.c.hour)))
    assert now - timedelta(days=35) in kept
    assert now - timedelta(days=37) not in kept


def test_an_upgrade_takes_the_past_of_the_feeds_from_the_ledger(any_database_url: str) -> None:
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=7)
    counted = {"worker": "w", "shop": "main", "domain": "stock", "outcome": "applied", "count": 3}
    minutes = [hour, hour + timedelta(minutes=59), hour + timedelta(hours=1, minutes=5), hour - timedelta(days=40)]
    rows = [{**counted, "minute": minute} for minute in minutes]
    rows += [{**rows[0], "outcome": "superseded"}, {**rows[0], "domain": "orders"}, {**rows[0], "shop": "made-up"}]
    engine = open_engine(any_database_url)
    try:
        _move(engine, "0015", down=True)
        with engine.begin() as connection:
            connection.execute(shops.insert(), [{"shop": "main", "first_seen": hour}])
            connection.execute(ledger.insert(), rows)
        _move(engine, "0015")
        with engine.connect() as connection:
            hours = connection.execute(select(feed_hours).order_by(feed_hours.c.hour)).all()
            activity = {row.domain: row.last_at for row in connection.execute(select(feed_activity))}
    finally:
        engine.dispose()
    assert [(row.shop, row.domain, row.hour, row.minutes) for row in hours] == [
        ("main", "stock", hour, 1 | 1 << 59),
        ("main", "stock", hour + timedelta(hours=1), 1 << 5),
    ]
    assert activity == {"stock": minutes[2], "orders": hour}


def _move(engine: Engine, revision: str, *, down: bool = False) -> None:
    """Upgrade to a revision, or downgrade to the one before it."""
    before = ScriptDirectory.from_config(alembic_config()).get_revision(revision).down_revision
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        config = alembic_config(connection)
        command.downgrade(config, str(before)) if down else command.upgrade(config, revision)
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("COMMIT")
        else:
            connection.commit()
