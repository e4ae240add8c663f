"""Tables but those of the domains: some from files of their own, the others are defined here."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, Table, Text

from storage.feed_tables import change_feed, changes, outcome_notices, relays
from storage.job_tables import quarantine_job_items, quarantine_jobs, quarantine_notes
from storage.load_tables import load_chunks, load_keys, loads
from storage.metadata import metadata
from storage.order_tables import order_events, orders, outbox, outbox_leases
from storage.pause_tables import pause_ends, pause_lines
from storage.reminder_tables import reminder_deliveries, reminders
from storage.types import BIGINT, BYTES, EXACT_TEXT, JSON_VALUE, UtcTime
from storage.upkeep_tables import upkeep

__all__ = [
    "audit",
    "change_feed",
    "changes",
    "dead_letters",
    "erp_faults",
    "feeds",
    "generations",
    "ledger",
    "load_chunks",
    "load_keys",
    "loads",
    "metadata",
    "missed",
    "order_events",
    "orders",
    "outbox",
    "outbox_leases",
    "outcome_notices",
    "outcomes",
    "pause_ends",
    "pause_lines",
    "quarantine",
    "quarantine_job_items",
    "quarantine_jobs",
    "quarantine_notes",
    "received",
    "relays",
    "reminder_deliveries",
    "reminders",
    "repair_lines",
    "repairs",
    "shops",
    "switches",
    "unknown_fields",
    "upkeep",
    "watchers",
    "workers",
]

shops = Table(
    "shops",
    metadata,
    Column("shop", EXACT_TEXT, primary_key=True),
    Column("first_seen", UtcTime, nullable=False),
)

# The kind of version that the first event of a shop and domain has decided.
feeds = Table(
    "feeds",
    metadata,
    Column("shop", EXACT_TEXT, primary_key=True),
    Column("domain", EXACT_TEXT, primary_key=True),
    Column("by_time", Boolean, nullable=False),
    Column("since", UtcTime, nullable=False),
)

# Numbers that grow when a worker's memory of a table must end; every batch reads them.
generations = Table(
    "generations",
    metadata,
    Column("name", EXACT_TEXT, primary_key=True),
    Column("number", BIGINT, nullable=False),
)

switches = Table(
    "switches",
    metadata,
    Column("shop", EXACT_TEXT, primary_key=True),
    Column("domain", EXACT_TEXT, primary_key=True),
    Column("off", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("since", UtcTime),
    Column("until", UtcTime),
    Column("epoch", BIGINT, nullable=False),
    Column("changed_at", UtcTime, nullable=False),
    Column("until_before", UtcTime),
    Column("until_by", Text),
    Column("until_at", UtcTime),
    Column("plan_from", UtcTime),
    Column("plan_until", UtcTime),
    Column("plan_reason", Text),
    Column("plan_by", Text),
    Column("plan_weekly", Boolean),
)

audit = Table(
    "audit",
    metadata,
    Column("id", EXACT_TEXT, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("action", Text, nullable=False),
    Column("shop", Text),
    Column("domains", JSON_VALUE),
    Column("by", Text, nullable=False),
    Column("user_id", Text),
    Column("source", Text, nullable=False),
    Column("reason", Text),
    Column("message_id", EXACT_TEXT),
    Column("issued_at", UtcTime),
    Column("until", UtcTime),
    Column("result", Text, nullable=False),
    Column("epoch", BIGINT, nullable=False),
    Column("error", Text),
    Column("subject", Text),
    Column("count", BIGINT),
    Index("audit_message_id", "message_id"),
)

missed = Table(
    "missed",
    metadata,
    Column("domain", EXACT_TEXT, primary_key=True),
    Column("shop", EXACT_TEXT, primary_key=True),
    Column("key", EXACT_TEXT, primary_key=True),
    Column("version", BIGINT, nullable=False),
    Column("event_id", EXACT_TEXT, nullable=False),
    Column("discarded_at", UtcTime, nullable=False),
    Column("asked_at", UtcTime),
    Column("asked_count", Integer),
    Column("asked_by", Text),
    # The keys of a batch have one time, which PostgreSQL stores once: so it costs 10 bytes a key.
    Index("missed_discarded", "discarded_at"),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", EXACT_TEXT, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("shop", Text, nullable=False),
    Column("domain", EXACT_TEXT, nullable=False),
    Column("reason", Text, nullable=False),
    Column("pointer", Text, nullable=False),
    Column("sentence", Text, nullable=False),
    Column("routing_key", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("headers", JSON_VALUE, nullable=False),
    Column("body", BYTES, nullable=False),
    Column("digest", EXACT_TEXT, nullable=False),
    Column("worker", Text, nullable=False),
    Column("lease_until", UtcTime),
    Column("key", EXACT_TEXT),
    Column("subject", Text),
    Column("search_text", Text),
    Index("quarantine_digest", "digest"),
    Index("quarantine_domain", "domain"),
    Index("quarantine_key", "key"),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("digest", EXACT_TEXT, primary_key=True),
    Column("attempts", Integer, nullable=False),
    Column("at", UtcTime, nullable=False),
)

ledger = Table(
    "ledger",
    metadata,
    Column("minute", UtcTime, primary_key=True),
    Column("worker", EXACT_TEXT, primary_key=True),
    Column("shop", EXACT_TEXT, primary_key=True),
    Column("domain", EXACT_TEXT, primary_key=True),
    Column("outcome", EXACT_TEXT, primary_key=True),
    Column("count", BIGINT, nullable=False),
)

repairs = Table(
    "repairs",
    metadata,
    Column("epoch", BIGINT, primary_key=True, autoincrement=False),
    Column("at", UtcTime, nullable=False),
    Column("action", Text, nullable=False),
    Column("scopes", JSON_VALUE, nullable=False),
    Column("by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("missed", BIGINT),
    Column("remaining", BIGINT),
    Column("progress_at", UtcTime),
    Column("done_at", UtcTime),
)

repair_lines = Table(
    "repair_lines",
    metadata,
    Column("epoch", BIGINT, primary_key=True, autoincrement=False),
    Column("shop", EXACT_TEXT, primary_key=True),
    Column("domain", EXACT_TEXT, primary_key=True),
    Column("missed", BIGINT, nullable=False),
)

received = Table(
    "received",
    metadata,
    Column("minute", UtcTime, primary_key=True),
    Column("worker", EXACT_TEXT, primary_key=True),
    Column("domain", EXACT_TEXT, primary_key=True),
    Column("count", BIGINT, nullable=False),
)

unknown_fields = Table(
    "unknown_fields",
    metadata,
    Column("shop", EXACT_TEXT, primary_key=True),
    Column("domain", EXACT_TEXT, primary_key=True),
    Column("field", EXACT_TEXT, primary_key=True),
    Column("count", BIGINT, nullable=False),
    Column("suggestion", Text),
    Column("first_at", UtcTime, nullable=False),
    Column("last_at", UtcTime, nullable=False),
)

workers = Table(
    "workers",
    metadata,
    Column("id", EXACT_TEXT, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("domains", JSON_VALUE, nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("last_seen", UtcTime, nullable=False),
    Column("epoch_seen", BIGINT, nullable=False),
    Column("lags", JSON_VALUE),
    Column("revision", Text),
)

watchers = Table(
    "watchers",
    metadata,
    Column("id", EXACT_TEXT, primary_key=True),
    Column("until", UtcTime, nullable=False),
)

outcomes = Table(
    "outcomes",
    metadata,
    Column("id", EXACT_TEXT, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("worker", Text, nullable=False),
    Column("lines", Text, nullable=False),
    Column("left_out", Integer, nullable=False),
)

erp_faults = Table(
    "erp_faults",
    metadata,
    Column("shop", EXACT_TEXT, primary_key=True),
    Column("answer", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("since", UtcTime, nullable=False),
    Column("failed_at", UtcTime, nullable=False),
    Column("failures", BIGINT, nullable=False),
)
