"""Tables of what Comporta publishes of its commits: the change feed, the outcomes for the ERP, and their relays."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Table, Text

from storage.metadata import metadata
from storage.types import BIGINT, EXACT_TEXT, UtcTime

__all__ = ["change_feed", "changes", "outcome_notices", "relays"]

changes = Table(
    "changes",
    metadata,
    Column("position", BIGINT, primary_key=True, autoincrement=False),
    Column("shop", EXACT_TEXT, nullable=False),
    Column("domain", EXACT_TEXT, nullable=False),
    Column("key", EXACT_TEXT, nullable=False),
    Column("version", BIGINT, nullable=False),
    Column("deleted", Boolean, nullable=False),
    Column("at", UtcTime, nullable=False),
)

# One row. A transaction that adds changes holds it until the commit, so that positions become visible in their order.
change_feed = Table(
    "change_feed",
    metadata,
    Column("name", EXACT_TEXT, primary_key=True),
    Column("recording", Boolean, nullable=False),
    Column("position", BIGINT, nullable=False),
)

outcome_notices = Table(
    "outcome_notices",
    metadata,
    Column("id", EXACT_TEXT, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("shop", EXACT_TEXT, nullable=False),
    Column("domain", EXACT_TEXT, nullable=False),
    Column("data", Text, nullable=False),
)

relays = Table(
    "relays",
    metadata,
    Column("name", EXACT_TEXT, primary_key=True),
    Column("worker", Text, nullable=False),
    Column("until", UtcTime, nullable=False),
    Column("position", BIGINT, nullable=False),
)
