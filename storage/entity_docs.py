"""Descriptions of the seven tables that the shop reads, by table and column."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.domains import DOMAINS
from schemas.field_docs import field_doc

__all__ = ["ENTITY_DOCS", "VERSION_DOCS", "TableDoc"]

# The description of a table, and those of its columns.
TableDoc = tuple[str, Mapping[str, str]]

# The columns that each of the seven tables has beside its fields.
VERSION_DOCS: Mapping[str, str] = {
    "shop": "Id of the shop that the row belongs to.",
    "version": "Version of the row: the event's sequence, or its time in microseconds since 1970. "
    "The lowest bigint after the version was forgotten.",
    "event_id": "Id of the event that the row comes from; of two events with one version the higher id wins.",
    "deleted": "Whether the ERP deleted the entity. The row then is a tombstone: its key and these columns remain, "
    "every other column is null.",
    "occurred_at": "Time of the change by the event (its time); null if the event has none.",
    "applied_at": "Time of the transaction that wrote this version, by the database's clock. "
    "No cursor for a poll: commits come out of order.",
}

_TABLES: Mapping[str, str] = {
    "products": "Items for sale, one row a product.",
    "images": "Pictures of products, by address; the files are not stored here.",
    "packagings": "Units that a product is sold in.",
    "price_tables": "Named lists of prices in one currency. "
    "The view current_price_tables shows those that are valid now.",
    "prices": "Prices of packagings, by table, least quantity and begin. "
    "The view current_prices shows those that count now.",
    "stock": "Stock balances, one row for each lot in a warehouse of a branch. The view sellable_stock sums them up.",
    "customers": "Buyers. Personal data: grant this table only to those who need it.",
}


def _columns(name: str) -> Mapping[str, str]:
    # What a column holds is what the field says that it comes from.
    model = DOMAINS[name].state
    docs = {field: field_doc(model, field) for field in model.model_fields}
    return {field: doc.en for field, doc in docs.items() if doc is not None}


ENTITY_DOCS: Mapping[str, TableDoc] = {name: (text, _columns(name)) for name, text in _TABLES.items()}
