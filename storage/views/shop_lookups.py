"""Lookups by the beginning of a key in one shop or in every known one, since the primary keys begin with the shop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    Text,
    and_,
    collate,
    func,
    literal,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY

from storage.missed_index import is_narrow, key_place, place_of
from storage.tables import missed, shops

__all__ = ["KeyRange", "missed_in_ranges", "of_shop", "rows_by_key"]


class KeyRange(NamedTuple):
    """The keys of a domain from `low` up to, and without, `high`."""

    domain: str
    low: str
    high: str


def of_shop(column: ColumnElement[str], shop: str | None) -> list[ColumnElement[bool]]:
    """Return the condition that a row is one of this shop, or none for every shop."""
    return [] if shop is None else [column == shop]


def rows_by_key(connection: Connection, table: Table, condition: ColumnElement[bool], shop: str | None) -> Select[Any]:
    """Return the query of the rows that pass a condition on the columns behind the shop, in the order of the keys."""
    if shop is not None or connection.dialect.name != "postgresql":
        shops_are = table.c.shop.in_(select(shops.c.shop)) if shop is None else table.c.shop == shop
        return select(table).where(shops_are, condition).order_by(*table.primary_key)
    # A lookup in each shop: PostgreSQL would choose to read the whole table where it knows little of its keys. The
    # shops are no parameter, since a thousand cost more than their lookups.
    rows = select(table).where(table.c.shop == shops.c.shop, condition).offset(0).lateral("of_shop")
    query = select(*rows.c).select_from(shops.join(rows, true()))
    return query.order_by(*(rows.c[column.name] for column in table.primary_key))


def missed_in_ranges(connection: Connection, ranges: Sequence[KeyRange], shop: str | None) -> Select[Any]:
    """Return the query of the missed keys in these ranges, in the order of the keys."""
    narrow = is_narrow(connection)
    place = key_place(narrow=narrow)
    ranges = [
        KeyRange(domain, *(place_of(domain, end, narrow=narrow) for end in (low, high))) for domain, low, high in ranges
    ]
    keys = (missed.c.domain, missed.c.shop, place)
    if shop is not None or connection.dialect.name != "postgresql":
        held = or_(*(and_(missed.c.domain == each.domain, place >= each.low, place < each.high) for each in ranges))
        return select(missed).where(*of_shop(missed.c.shop, shop), held).order_by(*keys)
    # As above, for each range: its condition alone would be a filter on every missed key.
    wanted = (
        func.unnest(*(literal(list(values), ARRAY(Text)) for values in zip(*ranges, strict=True)))
        .table_valued("domain", "low", "high")
        .render_derived(name="wanted")
    )
    domain, low, high = (collate(wanted.c[name], "C") for name in KeyRange._fields)
    # Of most domains no shop misses anything. In an order, so that the index leads there: else the whole table is read
    # for a domain that has none.
    some = select(missed.c.domain).where(missed.c.domain == domain).order_by(*keys).limit(1).lateral("some")
    found = select(missed).where(missed.c.domain == domain, missed.c.shop == shops.c.shop, place >= low, place < high)
    rows = found.offset(0).lateral("of_shop")
    query = select(*rows.c).select_from(wanted.join(some, true()).join(shops, true()).join(rows, true()))
    # Of one domain the keys have the same order as their places.
    return query.order_by(rows.c.domain, rows.c.shop, rows.c.key)
