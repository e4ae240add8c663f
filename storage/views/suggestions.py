"""Suggestions for a search: products, customers and orders by the beginning of a code, or by a part of it or of a name.

Parts are searched where an index leads to them (pg_trgm), or on SQLite, whose tables are small; of orders, among the
newest.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from sqlalchemy import ColumnElement, Engine, Select, and_, collate, func, literal_column, select, text
from sqlalchemy.sql.elements import Grouping

from rules.masks import plain_document
from storage.entity_tables import ENTITY_TABLES
from storage.errors import translated
from storage.tables import orders

__all__ = ["Suggestion", "SuggestionView"]

_MOST = 8
# Newest orders that are searched for a part of their id; about the rows that some hundredths of a second can read.
_ORDERS_SEARCHED = 20_000
# Of a shorter part too many texts have it, and no index of trigrams leads to them.
_SHORTEST_PART = 3
_LAST = "\U0010ffff"
_INDEXED = text("SELECT 1 FROM pg_indexes WHERE schemaname = current_schema() AND indexname = 'search_products'")


class Suggestion(NamedTuple):
    """A code that the search would find, what it belongs to (products, customers, orders), and its name."""

    code: str
    kind: str
    shop: str
    name: str


class SuggestionView:
    """A reader of suggestions."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def read(self, typed: str) -> list[Suggestion]:
        """Return some codes for what is typed, those that begin with it first; each code of a kind once."""
        typed = typed.strip()
        if not typed or "\0" in typed:
            return []
        found: dict[tuple[str, str], Suggestion] = {}
        with translated(), self._engine.connect() as connection:
            for kind, query in self._queries(typed):
                for row in connection.execute(query.limit(_MOST)):
                    found.setdefault((kind, row.code), Suggestion(row.code, kind, row.shop, row.name or ""))
                if len(found) >= _MOST:
                    break
        return list(found.values())[:_MOST]

    @cached_property
    def _finds_parts(self) -> bool:
        if self._engine.dialect.name != "postgresql":
            return True
        with translated(), self._engine.connect() as connection:
            return connection.scalar(_INDEXED) is not None

    def _queries(self, typed: str) -> Iterator[tuple[str, Select[str, str, str]]]:
        products, customers = ENTITY_TABLES["products"].c, ENTITY_TABLES["customers"].c
        # An order has no name: its number at the ERP stands for it.
        number = orders.c.erp_number
        columns = {
            "products": (products.code, products.shop, products.name),
            "customers": (customers.code, customers.shop, customers.name),
            "orders": (orders.c.order_id, orders.c.shop, number),
        }
        beginnings = [(kind, code, _begins(code, typed)) for kind, (code, _, _) in columns.items()]
        beginnings.append(("orders", orders.c.order_id, _begins(number, typed)))
        if (document := plain_document(typed)) is not None:
            beginnings.append(("customers", customers.code, customers.document == document))
        for kind, code, condition in beginnings:
            yield kind, _select(columns[kind], condition).order_by(code)
        if len(typed) < _SHORTEST_PART:
            return
        if self._finds_parts:
            for kind in ("products", "customers"):
                code, _, name = columns[kind]
                yield kind, _select(columns[kind], self._searched(code, name).icontains(typed, autoescape=True))
        # No index of all orders: each of their many changes would pay for it.
        newest = select(orders.c.order_id, orders.c.shop, number).order_by(orders.c.placed_at.desc())
        found = newest.limit(_ORDERS_SEARCHED).subquery("newest").c
        part = found.order_id.icontains(typed, autoescape=True)
        yield "orders", _select((found.order_id, found.shop, found.erp_number), part)

    def _searched(self, code: ColumnElement[str], name: ColumnElement[str]) -> ColumnElement[str]:
        # To the letter the expression of the index, without a parameter in it.
        end_of_code: ColumnElement[str] = literal_column("'\n'")
        searched = Grouping(code.concat(end_of_code).concat(func.coalesce(name, literal_column("''"))))
        # In the collation of the codes (C) only ASCII has capitals.
        return collate(searched, "default") if self._engine.dialect.name == "postgresql" else searched


def _begins(column: ColumnElement[str], typed: str) -> ColumnElement[bool]:
    # As a range, which the index serves whatever the plan knows of the text.
    return and_(column >= typed, column < typed + _LAST)


def _select(
    columns: tuple[ColumnElement[str], ColumnElement[str], ColumnElement[str]], condition: ColumnElement[bool]
) -> Select[str, str, str]:
    code, shop, name = columns
    return select(code.label("code"), shop.label("shop"), name.label("name")).where(condition)
