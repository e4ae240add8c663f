"""Tables of the installation's health: queues as last read, and the feeds' activity."""

from __future__ import annotations

from sqlalchemy import Column, Double, Index, Integer, Table

from storage.tables import metadata
from storage.types import BIGINT, EXACT_TEXT, UtcTime

__all__ = ["feed_activity", "feed_hours", "queues"]

queues = Table(
    "queues",
    metadata,
    Column("queue", EXACT_TEXT, primary_key=True),
    Column("ready", BIGINT),
    Column("consumers", Integer),
    Column("checked_at", UtcTime, nullable=False),
    Column("consumed_at", UtcTime),
    Column("waiting_since", UtcTime),
    Column("away_since", UtcTime),
)

# `behind_…`: seconds from an event's `time` to its commit, in the last minute that had any.
feed_activity = Table(
    "feed_activity",
    metadata,
    Column("shop", EXACT_TEXT, primary_key=True),
    Column("domain", EXACT_TEXT, primary_key=True),
    Column("last_at", UtcTime, nullable=False),
    Column("event_at", UtcTime),
    Column("minute", UtcTime),
    Column("behind_least", Double),
    Column("behind_most", Double),
    Column("behind_sum", Double),
    Column("measured", BIGINT),
)

# `minutes`: bit n is set if the feed had deliveries in minute n of the hour.
feed_hours = Table(
    "feed_hours",
    metadata,
    Column("shop", EXACT_TEXT, primary_key=True),
    Column("domain", EXACT_TEXT, primary_key=True),
    Column("hour", UtcTime, primary_key=True),
    Column("minutes", BIGINT, nullable=False),
    Index("feed_hours_hour", "hour"),
)
