"""Tables of the reminders: the occurrences that were told of, and what is to be delivered."""

from __future__ import annotations

from sqlalchemy import Column, Integer, Table, Text

from storage.metadata import metadata
from storage.types import BIGINT, EXACT_TEXT, UtcTime

__all__ = ["reminder_deliveries", "reminders"]

reminders = Table(
    "reminders",
    metadata,
    Column("kind", EXACT_TEXT, primary_key=True),
    Column("key", EXACT_TEXT, primary_key=True),
    Column("number", BIGINT, nullable=False),
    Column("at", UtcTime, nullable=False),
)

reminder_deliveries = Table(
    "reminder_deliveries",
    metadata,
    Column("id", EXACT_TEXT, primary_key=True),
    Column("channel", EXACT_TEXT, nullable=False),
    Column("kind", EXACT_TEXT, nullable=False),
    Column("document", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", UtcTime, nullable=False),
    Column("sent_at", UtcTime),
    Column("failed_at", UtcTime),
    Column("error", Text),
)
