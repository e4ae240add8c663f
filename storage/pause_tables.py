"""Tables of what pauses cost, counted at the end of each."""

from __future__ import annotations

from sqlalchemy import Column, Float, Table

from storage.metadata import metadata
from storage.types import BIGINT, EXACT_TEXT, UtcTime

__all__ = ["pause_ends", "pause_lines"]

# One scope of a pause, by the epoch of its end.
pause_ends = Table(
    "pause_ends",
    metadata,
    Column("epoch", BIGINT, primary_key=True, autoincrement=False),
    Column("shop", EXACT_TEXT, primary_key=True),
    Column("domain", EXACT_TEXT, primary_key=True),
    Column("since", UtcTime, nullable=False),
    Column("ended_at", UtcTime, nullable=False),
    Column("orders_held", BIGINT, nullable=False),
    Column("longest_wait", Float, nullable=False),
    Column("made_good_at", UtcTime),
)

# What the scope has cost one shop and domain.
pause_lines = Table(
    "pause_lines",
    metadata,
    Column("epoch", BIGINT, primary_key=True, autoincrement=False),
    Column("scope_shop", EXACT_TEXT, primary_key=True),
    Column("scope_domain", EXACT_TEXT, primary_key=True),
    Column("shop", EXACT_TEXT, primary_key=True),
    Column("domain", EXACT_TEXT, primary_key=True),
    Column("discarded", BIGINT, nullable=False),
    Column("keys", BIGINT, nullable=False),
)
