"""Table of the upkeep: which process does it, and how far the ledger is rolled up."""

from __future__ import annotations

from sqlalchemy import Column, Table, Text

from storage.metadata import metadata
from storage.types import EXACT_TEXT, UtcTime

__all__ = ["upkeep"]

upkeep = Table(
    "upkeep",
    metadata,
    Column("name", EXACT_TEXT, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("until", UtcTime, nullable=False),
    Column("position", UtcTime),
)
