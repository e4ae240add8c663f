"""Mentions of a key in missed keys, refused messages and orders, from a bounded search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import orjson
from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Text,
    and_,
    func,
    literal,
    or_,
    select,
    text,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import JSONB

from rules.masks import mask_documents
from schemas.domains import DOMAINS
from storage.entity_tables import ENTITY_TABLES
from storage.missed_index import is_narrow, key_place
from storage.missing_texts import is_missing
from storage.tables import missed, orders, quarantine, shops
from storage.types import BYTES
from storage.views.lists import ORDER_COLUMNS, QUARANTINE_COLUMNS, with_doc, with_key
from storage.views.rows import MissedRow, OrderRow, QuarantineRow, plain_row
from storage.views.shop_lookups import KeyRange, missed_in_ranges, of_shop

__all__ = [
    "MOST_SHOWN",
    "Bound",
    "SearchTerms",
    "StandingOrder",
    "missed_mentions",
    "order_mentions",
    "price_table_codes",
    "quarantine_mentions",
]

MOST_SHOWN = 100
_MOST_TABLES, _MOST_TABLES_OF_ALL = 1_000, 10_000
# Bytes of a refused message's body up to which it is searched.
_BODY_SEARCHED = 1024 * 1024
# About the rows that one second can read.
_MISSED_SEARCHED, _MESSAGES_SEARCHED, _ORDERS_SEARCHED = 100_000, 5_000, 20_000
# A shorter text occurs in every body; it is searched as a whole JSON text only.
_SUBSTRING_LENGTH = 6


class SearchTerms(NamedTuple):
    """The terms of a search: the text, its form as a CPF or CNPJ without punctuation, and the shop, None for all."""

    text: str
    document: str | None
    shop: str | None


class Bound(NamedTuple):
    """A table that was searched in part, and the number of rows searched.

    Of `quarantine.body` the rest was searched for codes, names, documents and numbers.
    """

    table: str
    searched: int


class StandingOrder(OrderRow):
    """An order that mentions a key, and the roles of the key: order, product, customer or price_table."""

    stands_as: list[str]


_TEXTS_INDEXED = text("SELECT to_regclass('search_quarantine') IS NOT NULL")
# A lookup for each table that there is: a statement for each known shop takes most of a second for a thousand.
_CODES = text(
    """
    WITH RECURSIVE codes(shop, code) AS (
      (SELECT shop, table_code FROM prices ORDER BY shop, table_code LIMIT 1)
      UNION ALL
      SELECT following.shop, following.table_code FROM codes, LATERAL (
        SELECT shop, table_code FROM prices WHERE (shop, table_code) > (codes.shop, codes.code)
        ORDER BY shop, table_code LIMIT 1
      ) AS following
    )
    SELECT DISTINCT code FROM (SELECT code FROM codes LIMIT :most) AS found
    """
)


def price_table_codes(connection: Connection, shop: str | None) -> list[str]:
    """Return the codes of price tables with prices in a shop, or in all, a thousand at most."""
    if connection.dialect.name == "postgresql" and shop is None:
        return sorted(connection.scalars(_CODES, {"most": _MOST_TABLES_OF_ALL}))[:_MOST_TABLES]
    prices = ENTITY_TABLES["prices"].c
    result: set[str] = set()
    for name in connection.scalars(select(shops.c.shop)).all() if shop is None else [shop]:
        in_shop = prices.shop == name
        codes = select(func.min(prices.table_code).label("code")).where(in_shop).cte("codes", recursive=True)
        after = select(func.min(prices.table_code)).where(in_shop, prices.table_code > codes.c.code).scalar_subquery()
        codes = codes.union_all(select(after).where(codes.c.code.is_not(None)))
        result.update(connection.scalars(select(codes.c.code).where(codes.c.code.is_not(None)).limit(_MOST_TABLES)))
    return sorted(result)[:_MOST_TABLES]


def missed_mentions(
    connection: Connection, terms: SearchTerms, codes: Sequence[str], bounds: list[Bound]
) -> list[MissedRow]:
    """Return the missed keys that begin with the text, and those of customers with one of the codes."""
    ranges = [_key_range(name, domain.key_fields[0], terms.text) for name, domain in DOMAINS.items()]
    ranges += [_key_range("customers", "code", code) for code in codes if code != terms.text]
    query = missed_in_ranges(connection, ranges, terms.shop)
    rows = [cast(MissedRow, with_key(plain_row(row))) for row in connection.execute(query.limit(MOST_SHOWN + 1))]
    return rows + _missed_prices(connection, terms, bounds)


def _key_range(domain: str, first: str, code: str) -> KeyRange:
    # The key is JSON in the key fields' order; "#" follows the closing quote in ASCII.
    start = orjson.dumps({first: code}).decode()[:-1]
    return KeyRange(domain, start, start[:-1] + "#")


def _missed_prices(connection: Connection, terms: SearchTerms, bounds: list[Bound]) -> list[MissedRow]:
    """Return the missed prices of a product; their keys begin with the price table, so no index applies."""
    query = select(missed).where(missed.c.domain == "prices", *of_shop(missed.c.shop, terms.shop))
    query = query.order_by(missed.c.shop, key_place(narrow=is_narrow(connection)))
    searched = _bounded(connection, query, "missed", _MISSED_SEARCHED, bounds)
    part = orjson.dumps({"product_code": terms.text}).decode()[1:-1]
    query = select(searched).where(searched.c.key.contains(part, autoescape=True)).limit(MOST_SHOWN + 1)
    return [cast(MissedRow, with_key(plain_row(row))) for row in connection.execute(query)]


def quarantine_mentions(connection: Connection, terms: SearchTerms, bounds: list[Bound]) -> list[QuarantineRow]:
    """Return the refused messages with this key or one of these texts, and the newest whose body holds it.

    The texts are codes, names, documents and numbers, to which an index leads. A document is searched with and without
    punctuation. Bodies of more than a megabyte are searched by these texts alone.
    """
    in_shop = of_shop(quarantine.c.shop, terms.shop)
    by_key = select(*QUARANTINE_COLUMNS).where(*in_shop, or_(*_key_is(terms.text)))
    by_key = by_key.order_by(quarantine.c.id.desc()).limit(MOST_SHOWN + 1)
    newest = select(*QUARANTINE_COLUMNS, quarantine.c.body).where(*in_shop).order_by(quarantine.c.id.desc())
    by_text = _by_text(connection, terms, in_shop)
    name = "quarantine.body" if by_text and not is_missing(connection) else "quarantine"
    searched = _bounded(connection, newest, name, _MESSAGES_SEARCHED, bounds)
    matches = or_(*(_contains(connection.dialect.name, searched.c.body, needle) for needle in _needles(terms)))
    columns = [column for column in searched.c if column.name != "body"]
    # The size comes first: a body that is not searched is not loaded.
    searchable = and_(func.length(searched.c.body) <= _BODY_SEARCHED, matches)
    query = select(*columns).where(searchable).order_by(searched.c.id.desc()).limit(MOST_SHOWN + 1)
    queries = [by_key, *by_text, query]
    found = {row.id: row for each in queries for row in connection.execute(each)}
    return [cast(QuarantineRow, with_doc(plain_row(found[identity]))) for identity in sorted(found, reverse=True)]


def _by_text(
    connection: Connection, terms: SearchTerms, in_shop: list[ColumnElement[bool]]
) -> list[Select[tuple[Any, ...]]]:
    """Return the query of the messages with this text among those that are searched, if an index leads to them."""
    if connection.dialect.name == "postgresql" and not connection.scalar(_TEXTS_INDEXED):
        return []
    line = " ".join(terms.text.split())
    texts = [line if len(line) >= _SUBSTRING_LENGTH else f"\n{line}\n"]
    texts += [] if terms.document is None else [f"\n{terms.document}\n"]
    holds = or_(*(quarantine.c.search_text.icontains(text, autoescape=True) for text in texts))
    # By the index, before the order: backwards by id it would be all messages, where none has the text.
    found = select(quarantine.c.id).where(*in_shop, holds).cte("found").prefix_with("MATERIALIZED")
    query = select(*QUARANTINE_COLUMNS).where(quarantine.c.id.in_(select(found.c.id)))
    return [query.order_by(quarantine.c.id.desc()).limit(MOST_SHOWN + 1)]


def _key_is(text: str) -> list[ColumnElement[bool]]:
    # The key of an event is JSON in the key fields' order; "#" follows the closing quote in ASCII.
    starts = [orjson.dumps({first: text}).decode()[:-1] for first in ("code", "product_code", "table_code")]
    of_events = [(quarantine.c.key >= start) & (quarantine.c.key < start[:-1] + "#") for start in starts]
    return [quarantine.c.key == text, *of_events]


def order_mentions(connection: Connection, terms: SearchTerms, bounds: list[Bound]) -> list[StandingOrder]:
    """Return the order with this id, and the newest orders that mention the text."""
    columns = (*ORDER_COLUMNS, orders.c.payload)
    in_shop = of_shop(orders.c.shop, terms.shop)
    exact = connection.execute(select(*columns).where(*in_shop, orders.c.order_id == terms.text)).all()
    # An index of the payloads costs PostgreSQL a third of a millisecond an order, and more in a long backlog.
    newest = select(*columns).where(*in_shop)
    newest = newest.order_by(orders.c.placed_at.desc(), orders.c.shop.desc(), orders.c.order_id.desc())
    searched = _bounded(connection, newest, "orders", _ORDERS_SEARCHED, bounds)
    query = select(searched).where(_mentions(connection.dialect.name, searched.c, terms)).limit(MOST_SHOWN + 1)
    rows = {(row.shop, row.order_id): plain_row(row) for row in [*exact, *connection.execute(query)]}
    mentioned = [(row, _roles(row, terms)) for row in rows.values()]
    return [_standing_order(row, roles) for row, roles in mentioned if roles]


def _standing_order(row: dict[str, Any], roles: list[str]) -> StandingOrder:
    last_error = row["last_error"] and mask_documents(row["last_error"])
    fields = {name: value for name, value in row.items() if name != "payload"}
    return cast(StandingOrder, {**fields, "last_error": last_error, "stands_as": roles})


def _bounded(connection: Connection, query: Select[Any], table: str, limit: int, bounds: list[Bound]) -> Any:
    first = query.with_only_columns(query.selected_columns[0]).order_by(None).limit(limit + 1).subquery()
    if (connection.scalar(select(func.count()).select_from(first)) or 0) > limit:
        bounds.append(Bound(table, limit))
    return query.limit(limit).subquery("searched")


def _needles(terms: SearchTerms) -> list[bytes]:
    json_text = orjson.dumps(terms.text)
    needles = [json_text[1:-1] if len(terms.text) >= _SUBSTRING_LENGTH else json_text]
    if terms.document is not None:
        needles += [terms.document.encode(), _punctuated(terms.document).encode()]
    return needles


def _punctuated(document: str) -> str:
    if len(document) == 11:
        return f"{document[:3]}.{document[3:6]}.{document[6:9]}-{document[9:]}"
    return f"{document[:2]}.{document[2:5]}.{document[5:8]}/{document[8:12]}-{document[12:]}"


def _contains(dialect: str, body: ColumnElement[Any], needle: bytes) -> ColumnElement[bool]:
    value = literal(needle, BYTES)
    # PostgreSQL's position() as a plain function takes the body first, unlike POSITION(needle IN body).
    return (func.pg_catalog.position(body, value) if dialect == "postgresql" else func.instr(body, value)) > 0


def _mentions(dialect: str, row: Any, terms: SearchTerms) -> ColumnElement[bool]:
    texts = dict.fromkeys([terms.text, terms.document or terms.text])
    if dialect == "postgresql":
        matches = [type_coerce(row.payload, JSONB).contains(shape) for text in texts for shape in _shapes(text)]
    else:
        matches = [func.instr(type_coerce(row.payload, Text()), orjson.dumps(text).decode()) > 0 for text in texts]
    return or_(row.erp_number == terms.text, *matches)


def _shapes(text: str) -> list[dict[str, Any]]:
    return [
        {"display_number": text},
        {"price_table": text},
        {"items": [{"product_code": text}]},
        {"customer": {"code": text}},
        {"customer": {"document": text}},
    ]


def _roles(row: Any, terms: SearchTerms) -> list[str]:
    texts, payload = {terms.text, terms.document or terms.text}, row["payload"]
    customer = payload.get("customer") or {}
    roles = {
        "order": bool({row["order_id"], row["erp_number"], payload.get("display_number")} & texts),
        "product": any(item.get("product_code") in texts for item in payload.get("items") or ()),
        "customer": bool({customer.get("code"), customer.get("document")} & texts),
        "price_table": payload.get("price_table") in texts,
    }
    return [role for role, applies in roles.items() if applies]
