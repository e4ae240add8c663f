"""Where else a key stands: missed keys, refused messages and orders that hold it, looked for within bounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import orjson
from sqlalchemy import ColumnElement, Connection, Select, Text, func, literal, or_, select, type_coerce
from sqlalchemy.dialects.postgresql import JSONB

from rules.masking import mask_documents
from schemas.domains import DOMAINS
from storage.tables import ENTITY_TABLES, missed, orders, quarantine
from storage.types import BYTES
from storage.views.lists import ORDER_COLUMNS, QUARANTINE_COLUMNS, with_doc, with_key
from storage.views.rows import MissedRow, OrderRow, QuarantineRow, plain_row

__all__ = [
    "MOST_SHOWN",
    "Bound",
    "StandingOrder",
    "Wanted",
    "missed_of",
    "orders_of",
    "price_table_codes",
    "quarantined_of",
]

MOST_SHOWN = 100
_MOST_TABLES = 1_000
# About what a second reads.
_MISSED_SEARCHED, _MESSAGES_SEARCHED, _ORDERS_SEARCHED = 100_000, 5_000, 20_000
# A shorter text stands in every body; it is looked for as a whole JSON text only.
_LONG_ENOUGH = 6


class Wanted(NamedTuple):
    """What is looked for: the text, the same as a CPF or CNPJ without its mask, and the shops."""

    text: str
    document: str | None
    shops: tuple[str, ...]


class Bound(NamedTuple):
    """A table that was searched in part, and how many of its rows."""

    table: str
    searched: int


class StandingOrder(OrderRow):
    """An order that a key stands in, and as what: order, product, customer or price_table."""

    stands_as: list[str]


def price_table_codes(connection: Connection, of_shops: Sequence[str]) -> list[str]:
    """The price tables that have prices, a thousand at most: one step down the index for each."""
    prices = ENTITY_TABLES["prices"].c
    found: set[str] = set()
    for shop in of_shops:
        here = prices.shop == shop
        codes = select(func.min(prices.table_code).label("code")).where(here).cte("codes", recursive=True)
        after = select(func.min(prices.table_code)).where(here, prices.table_code > codes.c.code).scalar_subquery()
        codes = codes.union_all(select(after).where(codes.c.code.is_not(None)))
        found.update(connection.scalars(select(codes.c.code).where(codes.c.code.is_not(None)).limit(_MOST_TABLES)))
    return sorted(found)[:_MOST_TABLES]


def missed_of(connection: Connection, wanted: Wanted, codes: Sequence[str], bounds: list[Bound]) -> list[MissedRow]:
    """The missed keys that one of the codes stands in."""
    of_shops = missed.c.shop.in_(wanted.shops)
    begins = [
        missed.c.domain.in_([name for name, domain in DOMAINS.items() if domain.key_fields[0] == first])
        & (missed.c.key >= start)
        & (missed.c.key < start[:-1] + "#")
        for first in ("code", "product_code", "table_code")
        for code in codes
        # The key is JSON in the key fields' order; "#" is the character behind the closing quote.
        for start in [orjson.dumps({first: code}).decode()[:-1]]
    ]
    query = select(missed).where(of_shops, or_(*begins)).order_by(missed.c.domain, missed.c.shop, missed.c.key)
    rows = [cast(MissedRow, with_key(plain_row(row))) for row in connection.execute(query.limit(MOST_SHOWN + 1))]
    return rows + _missed_prices(connection, wanted, bounds)


def _missed_prices(connection: Connection, wanted: Wanted, bounds: list[Bound]) -> list[MissedRow]:
    """Those of a product's prices, whose keys begin with the price table."""
    here = select(missed).where(missed.c.domain == "prices", missed.c.shop.in_(wanted.shops))
    some = _bounded(connection, here.order_by(missed.c.shop, missed.c.key), "missed", _MISSED_SEARCHED, bounds)
    part = orjson.dumps({"product_code": wanted.text}).decode()[1:-1]
    query = select(some).where(some.c.key.contains(part, autoescape=True)).limit(MOST_SHOWN + 1)
    return [cast(MissedRow, with_key(plain_row(row))) for row in connection.execute(query)]


def quarantined_of(
    connection: Connection, wanted: Wanted, shop: str | None, bounds: list[Bound]
) -> list[QuarantineRow]:
    """The newest refused messages whose body holds the text, or the document with or without its mask."""
    newest = select(*QUARANTINE_COLUMNS, quarantine.c.body).order_by(quarantine.c.id.desc())
    if shop is not None:
        newest = newest.where(quarantine.c.shop == shop)
    some = _bounded(connection, newest, "quarantine", _MESSAGES_SEARCHED, bounds)
    holds = or_(*(_holds(connection.dialect.name, some.c.body, needle) for needle in _needles(wanted)))
    columns = [column for column in some.c if column.name != "body"]
    query = select(*columns).where(holds).order_by(some.c.id.desc()).limit(MOST_SHOWN + 1)
    return [cast(QuarantineRow, with_doc(plain_row(row))) for row in connection.execute(query)]


def orders_of(connection: Connection, wanted: Wanted, bounds: list[Bound]) -> list[StandingOrder]:
    """The order of this id, and the newest orders that it stands in."""
    columns = (*ORDER_COLUMNS, orders.c.payload)
    of_shops = orders.c.shop.in_(wanted.shops)
    exact = connection.execute(select(*columns).where(of_shops, orders.c.order_id == wanted.text)).all()
    newest = select(*columns).where(of_shops)
    newest = newest.order_by(orders.c.placed_at.desc(), orders.c.shop.desc(), orders.c.order_id.desc())
    some = _bounded(connection, newest, "orders", _ORDERS_SEARCHED, bounds)
    query = select(some).where(_stands_in(connection.dialect.name, some.c, wanted)).limit(MOST_SHOWN + 1)
    rows = {(row.shop, row.order_id): plain_row(row) for row in [*exact, *connection.execute(query)]}
    found = [(row, _stands_as(row, wanted)) for row in rows.values()]
    return [_standing(row, places) for row, places in found if places]


def _standing(row: dict[str, Any], places: list[str]) -> StandingOrder:
    said = row["last_error"] and mask_documents(row["last_error"])
    shown = {name: value for name, value in row.items() if name != "payload"}
    return cast(StandingOrder, {**shown, "last_error": said, "stands_as": places})


def _bounded(connection: Connection, query: Select[Any], table: str, limit: int, bounds: list[Bound]) -> Any:
    first = query.with_only_columns(query.selected_columns[0]).order_by(None).limit(limit + 1).subquery()
    if (connection.scalar(select(func.count()).select_from(first)) or 0) > limit:
        bounds.append(Bound(table, limit))
    return query.limit(limit).subquery("some")


def _needles(wanted: Wanted) -> list[bytes]:
    written = orjson.dumps(wanted.text)
    needles = [written[1:-1] if len(wanted.text) >= _LONG_ENOUGH else written]
    if wanted.document is not None:
        needles += [wanted.document.encode(), _masked_form(wanted.document).encode()]
    return needles


def _masked_form(document: str) -> str:
    if len(document) == 11:
        return f"{document[:3]}.{document[3:6]}.{document[6:9]}-{document[9:]}"
    return f"{document[:2]}.{document[2:5]}.{document[5:8]}/{document[8:12]}-{document[12:]}"


def _holds(dialect: str, body: ColumnElement[Any], needle: bytes) -> ColumnElement[bool]:
    given = literal(needle, BYTES)
    # PostgreSQL's position() by its plain name, which takes the two the other way round.
    return (func.pg_catalog.position(body, given) if dialect == "postgresql" else func.instr(body, given)) > 0


def _stands_in(dialect: str, row: Any, wanted: Wanted) -> ColumnElement[bool]:
    texts = dict.fromkeys([wanted.text, wanted.document or wanted.text])
    if dialect == "postgresql":
        holds = [type_coerce(row.payload, JSONB).contains(shape) for text in texts for shape in _shapes(text)]
    else:
        holds = [func.instr(type_coerce(row.payload, Text()), orjson.dumps(text).decode()) > 0 for text in texts]
    return or_(row.erp_number == wanted.text, *holds)


def _shapes(text: str) -> list[dict[str, Any]]:
    return [
        {"display_number": text},
        {"price_table": text},
        {"items": [{"product_code": text}]},
        {"customer": {"code": text}},
        {"customer": {"document": text}},
    ]


def _stands_as(row: Any, wanted: Wanted) -> list[str]:
    texts, payload = {wanted.text, wanted.document or wanted.text}, row["payload"]
    customer = payload.get("customer") or {}
    places = {
        "order": bool({row["order_id"], row["erp_number"], payload.get("display_number")} & texts),
        "product": any(item.get("product_code") in texts for item in payload.get("items") or ()),
        "customer": bool({customer.get("code"), customer.get("document")} & texts),
        "price_table": payload.get("price_table") in texts,
    }
    return [place for place, found in places.items() if found]
