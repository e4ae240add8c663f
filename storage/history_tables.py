"""Table of the last versions of each key: what came, and what became of it."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Table

from storage.metadata import metadata
from storage.types import BIGINT, EXACT_TEXT, UtcTime

__all__ = ["history"]

history = Table(
    "history",
    metadata,
    Column("id", EXACT_TEXT, primary_key=True),
    Column("shop", EXACT_TEXT, nullable=False),
    Column("domain", EXACT_TEXT, nullable=False),
    Column("key", EXACT_TEXT, nullable=False),
    Column("version", BIGINT, nullable=False),
    Column("event_id", EXACT_TEXT, nullable=False),
    Column("outcome", EXACT_TEXT, nullable=False),
    Column("deleted", Boolean, nullable=False),
    Column("state", EXACT_TEXT),
    Column("at", UtcTime, nullable=False),
    Index("history_of_key", "shop", "domain", "key", "id"),
    Index("history_of_event", "event_id"),
)
