"""Tables of the quarantine's background replays and drops, and of the notes on its groups."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Table, Text

from storage.metadata import metadata
from storage.types import BIGINT, EXACT_TEXT, JSON_VALUE, UtcTime

__all__ = ["quarantine_job_items", "quarantine_jobs", "quarantine_notes"]

quarantine_jobs = Table(
    "quarantine_jobs",
    metadata,
    Column("id", EXACT_TEXT, primary_key=True),
    Column("action", EXACT_TEXT, nullable=False),
    Column("state", EXACT_TEXT, nullable=False),
    Column("filter", JSON_VALUE, nullable=False),
    Column("title", Text, nullable=False),
    Column("through", EXACT_TEXT, nullable=False),
    Column("after", EXACT_TEXT, nullable=False),
    Column("chosen", BIGINT, nullable=False),
    Column("done", BIGINT, nullable=False),
    Column("staying", BIGINT, nullable=False),
    Column("canary", Boolean, nullable=False),
    Column("discard", Boolean, nullable=False),
    Column("by", Text, nullable=False),
    Column("reason", Text),
    Column("error", Text),
    Column("audit_id", EXACT_TEXT, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("settles_at", UtcTime),
    Column("ended_at", UtcTime),
    Column("holder", Text),
    Column("lease_until", UtcTime),
)

# The messages that a replay has published, by their digest: one that is refused again has the same.
quarantine_job_items = Table(
    "quarantine_job_items",
    metadata,
    Column("job", EXACT_TEXT, primary_key=True),
    Column("digest", EXACT_TEXT, primary_key=True),
)

quarantine_notes = Table(
    "quarantine_notes",
    metadata,
    Column("reason", EXACT_TEXT, primary_key=True),
    Column("shop", EXACT_TEXT, primary_key=True),
    Column("note", Text, nullable=False),
    Column("ticket", Text),
    Column("by", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
)
