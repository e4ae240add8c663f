"""Tables of the orders, of the ERP's later news of them, and of what their shops are told."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, Table, Text, text

from storage.metadata import metadata
from storage.types import BIGINT, EXACT_TEXT, JSON_VALUE, UtcTime

__all__ = ["order_events", "orders", "outbox", "outbox_leases"]

orders = Table(
    "orders",
    metadata,
    Column("shop", EXACT_TEXT, primary_key=True),
    Column("order_id", EXACT_TEXT, primary_key=True),
    Column("state", EXACT_TEXT, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("failing_since", UtcTime),
    Column("next_attempt_at", UtcTime),
    Column("erp_number", Text),
    Column("last_error", Text),
    Column("placed_at", UtcTime, nullable=False),
    Column("received_at", UtcTime, nullable=False),
    Column("internalized_at", UtcTime),
    Column("payload", JSON_VALUE, nullable=False),
    Column("digest", Text),
    Column("receipt_id", Text),
    Column("lease_until", UtcTime),
    Column("sent_at", UtcTime),
    Column("cancellation", EXACT_TEXT),
    Column("cancel_reason", Text),
    Column("cancelled_at", UtcTime),
    Column("cancel_attempts", Integer),
    Column("cancel_due_at", UtcTime),
    Column("cancel_error", Text),
    Column("accepted_as_is", JSON_VALUE),
    Column("state_since", UtcTime),
    Index("orders_state", "state", "shop", "placed_at"),
    Index("orders_placed", "placed_at", "shop", "order_id"),
    Index("orders_search", "order_id", "shop"),
)

order_events = Table(
    "order_events",
    metadata,
    Column("shop", EXACT_TEXT, primary_key=True),
    Column("order_id", EXACT_TEXT, primary_key=True),
    Column("event_id", EXACT_TEXT, primary_key=True),
    Column("event", EXACT_TEXT, nullable=False),
    Column("data", JSON_VALUE, nullable=False),
    Column("occurred_at", UtcTime),
    Column("received_at", UtcTime, nullable=False),
)

# Order notices that are yet to be published. Positions are never given twice, on SQLite by AUTOINCREMENT: they are
# part of the notices' ids.
outbox = Table(
    "outbox",
    metadata,
    Column("position", BIGINT, primary_key=True),
    Column("shop", EXACT_TEXT, nullable=False),
    Column("order_id", EXACT_TEXT),
    Column("kind", EXACT_TEXT, nullable=False),
    Column("data", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    Index("outbox_shop", "shop", "position"),
)

outbox_leases = Table(
    "outbox_leases",
    metadata,
    Column("shop", EXACT_TEXT, primary_key=True),
    Column("worker", Text, nullable=False),
    Column("until", UtcTime, nullable=False),
)
