"""Tables of the domains, built from the domain registry; the shop reads them."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Table

from schemas import fields
from schemas.domains import DOMAINS, Domain
from storage.metadata import metadata
from storage.types import BIGINT, EXACT_TEXT, SQL_TYPES, UtcTime

__all__ = ["ENTITY_TABLES"]


def _entity_table(domain: Domain) -> Table:
    keys = domain.key_fields
    return Table(
        domain.name,
        metadata,
        Column("shop", EXACT_TEXT, primary_key=True),
        *(
            Column(
                name,
                EXACT_TEXT if kind is fields.Column.TEXT and name in keys else SQL_TYPES[kind],
                primary_key=name in keys,
                nullable=name not in keys,
            )
            for name, kind in domain.columns.items()
        ),
        Column("version", BIGINT, nullable=False),
        Column("event_id", EXACT_TEXT, nullable=False),
        Column("deleted", Boolean, nullable=False),
        Column("occurred_at", UtcTime),
        Column("applied_at", UtcTime, nullable=False),
        # Free space in the page for a row's next version: then no index is written. Measured in docs/performance.md.
        postgresql_with={"fillfactor": 90},
    )


ENTITY_TABLES: dict[str, Table] = {name: _entity_table(domain) for name, domain in DOMAINS.items()}
# For the search of a customer by CPF or CNPJ.
Index("customers_document", ENTITY_TABLES["customers"].c.document)
# For the search: the primary keys begin with the shop.
for _name, _code in (("products", "code"), ("customers", "code")):
    # With the shop: where the statistics are those of an empty table, it may be taken for the key's index.
    Index(f"{_name}_search", ENTITY_TABLES[_name].c[_code], ENTITY_TABLES[_name].c.shop)
