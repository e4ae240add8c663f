"""Partial indexes: those of the rows that a condition selects.

They are apart from their tables because SQLAlchemy loads both databases' dialects for them. Programs need no index's
definition; migrations create them, and the documentation and the tests read them here.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, text

from storage.entity_tables import ENTITY_TABLES
from storage.load_tables import load_chunks, loads
from storage.order_tables import orders
from storage.reminder_tables import reminder_deliveries
from storage.tables import missed, quarantine

__all__: list[str] = []


def _index(name: str, condition: str, *columns: Column[object]) -> None:
    """Add an index of the rows that meet the condition, SQL that both databases read."""
    where = text(condition)
    Index(name, *columns, postgresql_where=where, sqlite_where=where)


_products = ENTITY_TABLES["products"].c
# Few products are variants: the others cost nothing here.
_index("products_variant_of", "variant_of IS NOT NULL", _products.shop, _products.variant_of)
_index("loads_active", "ended_at IS NULL", loads.c.shop, loads.c.domain)
_index("load_chunks_uncleared", "NOT cleared", load_chunks.c.load, load_chunks.c.chunk)
# The keys that were never asked for are not in the index: discards pay nothing for it.
_index("missed_asked", "asked_at IS NOT NULL", missed.c.domain, missed.c.shop, missed.c.asked_at)
# Few orders of many: the index that claims read is as small as the number of waiting orders.
_index("orders_due", "state = 'waiting'", orders.c.shop, orders.c.attempts, orders.c.placed_at, orders.c.order_id)
# An order is written four times, and has its number only at the last.
_index("orders_erp_number", "erp_number IS NOT NULL", orders.c.erp_number)
_index("orders_cancel", "cancellation = 'telling'", orders.c.cancel_due_at)
# Empty once the upkeep has given each message its text.
_index("quarantine_without_text", "search_text IS NULL", quarantine.c.id)
_index("reminder_deliveries_due", "sent_at IS NULL AND failed_at IS NULL", reminder_deliveries.c.due_at)
