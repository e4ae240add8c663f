"""Biography of a key: its rows in every domain, missed keys, refused messages, and the orders that mention it.

The work is bounded: without an index only the newest or first rows are searched, and the result lists these bounds.
Documents are masked; a key is shown as it is, even where an ERP numbers its customers by their CPF.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, or_, select
from typing_extensions import TypedDict

from rules.masks import mask_document, mask_documents, plain_document
from schemas.domains import DOMAINS
from schemas.fields import canonical_decimal
from storage.entity_tables import ENTITY_TABLES
from storage.errors import translated
from storage.types import ExactDecimal
from storage.views.mentions import (
    MOST_SHOWN,
    Bound,
    SearchTerms,
    StandingOrder,
    missed_mentions,
    order_mentions,
    price_table_codes,
    quarantine_mentions,
)
from storage.views.rows import MissedRow, QuarantineRow, plain_row
from storage.views.shop_lookups import rows_by_key

__all__ = ["DECIMAL_FIELDS", "Biography", "EntityRow", "read_biography"]

_STAMPS = frozenset({"shop", "version", "event_id", "deleted", "occurred_at", "applied_at"})
# The fields that name a product, a price table or a customer.
_NAMES = frozenset({"code", "product_code", "table_code"})
_INDEXED = frozenset({"products", "customers"})


# The fields that hold quantities, factors and money.
DECIMAL_FIELDS = frozenset(
    column.name for table in ENTITY_TABLES.values() for column in table.c if isinstance(column.type, ExactDecimal)
)


class EntityRow(TypedDict):
    """A row of a domain's table: the key fields and the other fields; numbers are texts with all their digits."""

    domain: str
    shop: str
    key: dict[str, Any]
    state: dict[str, Any]
    version: int
    event_id: str
    deleted: bool
    occurred_at: datetime | None
    applied_at: datetime


class Biography(NamedTuple):
    """The search result; `more` names tables with more than 100 rows, `bounds` those that were searched in part."""

    text: str
    entities: list[EntityRow]
    missed: list[MissedRow]
    quarantined: list[QuarantineRow]
    orders: list[StandingOrder]
    more: list[str]
    bounds: list[Bound]


@dataclass(slots=True)
class _Limits:
    more: list[str] = field(default_factory=list)
    bounds: list[Bound] = field(default_factory=list)

    def cut(self, name: str, rows: Sequence[Any]) -> list[Any]:
        if len(rows) > MOST_SHOWN:
            self.more.append(name)
        return list(rows[:MOST_SHOWN])


def read_biography(engine: Engine, text: str, shop: str | None) -> Biography:
    """Search a text in one shop, or in all."""
    limits = _Limits()
    with translated(), engine.connect() as connection:
        terms = SearchTerms(text.strip(), plain_document(text), shop)
        entities = [row for domain in DOMAINS for row in limits.cut(domain, _entities(connection, domain, terms))]
        # A customer found by document has missed keys under the customer code.
        codes = {terms.text, *(row["key"]["code"] for row in entities if row["domain"] == "customers")}
        missed = limits.cut("missed", missed_mentions(connection, terms, sorted(codes), limits.bounds))
        quarantined = limits.cut("quarantine", quarantine_mentions(connection, terms, limits.bounds))
        orders = limits.cut("orders", order_mentions(connection, terms, limits.bounds))
    return Biography(mask_documents(terms.text), entities, missed, quarantined, orders, limits.more, limits.bounds)


def _entities(connection: Connection, domain: str, terms: SearchTerms) -> list[EntityRow]:
    table = ENTITY_TABLES[domain]
    keys = DOMAINS[domain].key_fields
    rows: dict[tuple[Any, ...], EntityRow] = {}
    for condition in _conditions(connection, domain, terms):
        query = (
            # Indexes that begin with the code or the document lead to products and customers.
            select(table).where(condition).order_by(*table.primary_key)
            if domain in _INDEXED and terms.shop is None
            else rows_by_key(connection, table, condition, terms.shop)
        )
        for row in connection.execute(query.limit(MOST_SHOWN + 1)):
            entity = _entity(domain, keys, plain_row(row))
            rows[(entity["shop"], *entity["key"].values())] = entity
    return list(rows.values())


def _conditions(connection: Connection, domain: str, terms: SearchTerms) -> list[ColumnElement[bool]]:
    columns = ENTITY_TABLES[domain].c
    conditions: list[ColumnElement[bool]] = [
        columns[name] == terms.text for name in DOMAINS[domain].key_fields if name in _NAMES
    ]
    if domain == "prices":
        # The key begins with the price table: the index finds a product's prices only for given table codes.
        codes = price_table_codes(connection, terms.shop)
        conditions[-1] = columns.table_code.in_(codes) & (columns.product_code == terms.text)
    if domain == "customers":
        conditions.append(or_(columns.document == terms.text, columns.document == (terms.document or terms.text)))
    return conditions


def _entity(domain: str, keys: Sequence[str], row: dict[str, Any]) -> EntityRow:
    fields = [name for name in row if name not in _STAMPS and name not in keys]
    return EntityRow(
        domain=domain,
        shop=row["shop"],
        key={name: _display_value(name, row[name]) for name in keys},
        state={name: _display_value(name, row[name]) for name in fields},
        version=row["version"],
        event_id=row["event_id"],
        deleted=row["deleted"],
        occurred_at=row["occurred_at"],
        applied_at=row["applied_at"],
    )


def _display_value(name: str, value: Any) -> Any:
    if name == "document" and value is not None:
        return mask_document(value)
    return canonical_decimal(str(value)) if isinstance(value, Decimal) else value
