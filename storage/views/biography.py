"""A key's biography: every table it stands in, whether it is missed or refused, and the orders it stands in.

The work is bounded: what no index leads to is looked for in the newest or first rows only, and the answer says so.
Documents are hidden in it; a key is shown as it is, even where an ERP numbers its customers by their CPF.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, or_, select
from typing_extensions import TypedDict

from rules.masking import mask_document, mask_documents, plain_document
from schemas.domains import DOMAINS
from storage.errors import translated
from storage.tables import ENTITY_TABLES, shops
from storage.views.mentions import (
    MOST_SHOWN,
    Bound,
    StandingOrder,
    Wanted,
    missed_of,
    orders_of,
    price_table_codes,
    quarantined_of,
)
from storage.views.rows import MissedRow, QuarantineRow, plain_row

__all__ = ["Biography", "EntityRow", "read_biography"]

_STAMPS = frozenset({"shop", "version", "event_id", "deleted", "occurred_at", "applied_at"})
# The fields that name a product, a price table or a customer.
_NAMES = frozenset({"code", "product_code", "table_code"})


class EntityRow(TypedDict):
    """A row of a domain's table: its key and its other fields apart; numbers are texts with all their digits."""

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
    """What was found; `more` names tables with more than 100 rows, `bounds` those that were searched in part."""

    text: str
    entities: list[EntityRow]
    missed: list[MissedRow]
    quarantined: list[QuarantineRow]
    orders: list[StandingOrder]
    more: list[str]
    bounds: list[Bound]


@dataclass(slots=True)
class _Found:
    more: list[str] = field(default_factory=list)
    bounds: list[Bound] = field(default_factory=list)

    def cut(self, name: str, rows: Sequence[Any]) -> list[Any]:
        if len(rows) > MOST_SHOWN:
            self.more.append(name)
        return list(rows[:MOST_SHOWN])


def read_biography(engine: Engine, text: str, shop: str | None) -> Biography:
    """What is known of a text in one shop, or in all."""
    found = _Found()
    with translated(), engine.connect() as connection:
        known = [shop] if shop is not None else list(connection.scalars(select(shops.c.shop).order_by(shops.c.shop)))
        wanted = Wanted(text.strip(), plain_document(text), tuple(known))
        entities = [row for domain in DOMAINS for row in found.cut(domain, _entities(connection, domain, wanted))]
        # Who is looked for by a document is missed under a code.
        codes = {wanted.text, *(row["key"]["code"] for row in entities if row["domain"] == "customers")}
        missed = found.cut("missed", missed_of(connection, wanted, sorted(codes), found.bounds))
        quarantined = found.cut("quarantine", quarantined_of(connection, wanted, shop, found.bounds))
        orders = found.cut("orders", orders_of(connection, wanted, found.bounds))
    return Biography(mask_documents(wanted.text), entities, missed, quarantined, orders, found.more, found.bounds)


def _entities(connection: Connection, domain: str, wanted: Wanted) -> list[EntityRow]:
    table = ENTITY_TABLES[domain]
    keys = DOMAINS[domain].key_fields
    rows: dict[tuple[Any, ...], EntityRow] = {}
    for condition in _conditions(connection, domain, wanted):
        query = select(table).where(table.c.shop.in_(wanted.shops), condition).order_by(*table.primary_key)
        for row in connection.execute(query.limit(MOST_SHOWN + 1)):
            found = _entity(domain, keys, plain_row(row))
            rows[(found["shop"], *found["key"].values())] = found
    return list(rows.values())


def _conditions(connection: Connection, domain: str, wanted: Wanted) -> list[ColumnElement[bool]]:
    columns = ENTITY_TABLES[domain].c
    found: list[ColumnElement[bool]] = [
        columns[name] == wanted.text for name in DOMAINS[domain].key_fields if name in _NAMES
    ]
    if domain == "prices":
        # The key begins with the price table: by way of the tables there are, the index leads to a product's prices.
        codes = price_table_codes(connection, wanted.shops)
        found[-1] = columns.table_code.in_(codes) & (columns.product_code == wanted.text)
        found.insert(0, columns.table_code == wanted.text)
    if domain == "customers":
        found.append(or_(columns.document == wanted.text, columns.document == (wanted.document or wanted.text)))
    return found


def _entity(domain: str, keys: Sequence[str], row: dict[str, Any]) -> EntityRow:
    fields = [name for name in row if name not in _STAMPS and name not in keys]
    return EntityRow(
        domain=domain,
        shop=row["shop"],
        key={name: _shown(name, row[name]) for name in keys},
        state={name: _shown(name, row[name]) for name in fields},
        version=row["version"],
        event_id=row["event_id"],
        deleted=row["deleted"],
        occurred_at=row["occurred_at"],
        applied_at=row["applied_at"],
    )


def _shown(name: str, value: Any) -> Any:
    if name == "document" and value is not None:
        return mask_document(value)
    return format(value, "f") if isinstance(value, Decimal) else value
