"""Tables of full loads: the loads, their chunks, and the keys that an unsettled chunk has named so far."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, Table, Text, false, text

from storage.metadata import metadata
from storage.types import BIGINT, EXACT_TEXT, JSON_VALUE, UtcTime

__all__ = ["load_chunks", "load_keys", "loads"]

_ZERO = text("0")

loads = Table(
    "loads",
    metadata,
    Column("shop", EXACT_TEXT, primary_key=True),
    Column("domain", EXACT_TEXT, primary_key=True),
    Column("load_id", EXACT_TEXT, primary_key=True),
    # What `load_chunks` and `load_keys` name the load by: a million keys would repeat the long name.
    Column("number", BIGINT, nullable=False, unique=True),
    Column("version", BIGINT),
    Column("state", EXACT_TEXT, nullable=False),
    Column("chunks", Integer),
    Column("count", BIGINT),
    Column("seen", BIGINT, nullable=False, server_default=_ZERO),
    Column("deleted", BIGINT, nullable=False, server_default=_ZERO),
    Column("allowed", BIGINT),
    Column("started_at", UtcTime, nullable=False),
    Column("changed_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Index("loads_started", "started_at"),
)

load_chunks = Table(
    "load_chunks",
    metadata,
    Column("load", BIGINT, primary_key=True, autoincrement=False),
    Column("chunk", Integer, primary_key=True, autoincrement=False),
    Column("version", BIGINT),
    Column("range_from", JSON_VALUE),
    Column("range_to", JSON_VALUE),
    Column("count", BIGINT),
    Column("seen", BIGINT, nullable=False, server_default=_ZERO),
    Column("discarded", BIGINT, nullable=False, server_default=_ZERO),
    Column("quarantined", BIGINT, nullable=False, server_default=_ZERO),
    Column("state", EXACT_TEXT, nullable=False),
    Column("reason", Text),
    Column("would_delete", BIGINT, nullable=False, server_default=_ZERO),
    Column("deleted", BIGINT, nullable=False, server_default=_ZERO),
    Column("cursor", JSON_VALUE),
    # Whether its keys are removed.
    Column("cleared", Boolean, nullable=False, server_default=false()),
    Column("changed_at", UtcTime, nullable=False),
)

load_keys = Table(
    "load_keys",
    metadata,
    Column("load", BIGINT, primary_key=True, autoincrement=False),
    Column("chunk", Integer, primary_key=True, autoincrement=False),
    Column("key", EXACT_TEXT, primary_key=True),
)
