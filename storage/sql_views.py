"""SQL views for the shop: the rows that count now, by the contract's rules, on PostgreSQL and SQLite.

A migration creates them, with a copy of this SQL; a test compares both. The SQL runs on both databases but for the
clock and the rounding of sums.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Column, Table

from storage.entity_tables import ENTITY_TABLES
from storage.table_docs import TABLE_DOCS

__all__ = ["SQL_VIEWS", "SqlView"]

# Not PostgreSQL's now(): in a long transaction it would stand still while the rows move on. On SQLite as fixed-width
# text, like the stored times.
_NOW = {"postgresql": "statement_timestamp()", "sqlite": "strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')"}
# SQLite sums doubles: rounded to the digits that a quantity has.
_TOTAL = {
    "postgresql": "greatest(sum({left}), 0)",
    "sqlite": "max(round(sum({left}), 4), 0)",
}
_LEFT = "coalesce(s.available, s.on_hand - coalesce(s.reserved, 0))"
_OF_LIVE_PRODUCT = (
    "EXISTS (SELECT 1 FROM products p WHERE p.shop = {alias}.shop AND p.code = {alias}.product_code "
    "AND NOT p.deleted AND p.active)"
)


@dataclass(frozen=True)
class SqlView:
    """A view over a table: its SELECT, and the columns that the table does not have with type and description."""

    name: str
    table: Table
    description: str
    names: tuple[str, ...]
    body: str
    own: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def sql(self, dialect: str) -> str:
        """Return the view's SELECT for a dialect."""
        total = _TOTAL[dialect].format(left=_LEFT)
        return self.body.format(names=", ".join(self.names), now=_NOW[dialect], total=total)

    def comment(self, name: str) -> str:
        """Return the description of a column."""
        if name in self.own:
            return self.own[name][1]
        return TABLE_DOCS[self.table.name][1][name]

    def column(self, name: str) -> Column[object]:
        """Return the table's column that a column of the view shows."""
        return self.table.c[name]


def _names(table: Table) -> tuple[str, ...]:
    # A row that counts is not deleted, and its event's id decides nothing any more.
    return tuple(column.name for column in table.columns if column.name not in {"deleted", "event_id"})


def _simple(name: str, domain: str, description: str, body: str) -> SqlView:
    table = ENTITY_TABLES[domain]
    return SqlView(name, table, description, _names(table), body)


_PRICE_COLUMNS = (
    *("shop", "table_code", "product_code", "packaging_code", "min_qty", "next_min_qty", "price", "list_price"),
    *("currency", "valid_from", "valid_to", "version", "occurred_at", "applied_at"),
)
# Both windows run in the order of the primary key, and a condition on shop, table, product or packaging is applied
# before them: a few prices of millions cost an index lookup.
_CURRENT_PRICES = """
SELECT shop, table_code, product_code, packaging_code, min_qty,
  lead(min_qty) OVER (PARTITION BY shop, table_code, product_code, packaging_code ORDER BY min_qty) AS next_min_qty,
  price, list_price, currency, valid_from, valid_to, version, occurred_at, applied_at
FROM (
  SELECT r.shop, r.table_code, r.product_code, r.packaging_code, r.min_qty, r.price, r.list_price, t.currency,
    r.valid_from, r.valid_to, r.version, r.occurred_at, r.applied_at,
    lead(r.valid_from) OVER (
      PARTITION BY r.shop, r.table_code, r.product_code, r.packaging_code, r.min_qty ORDER BY r.valid_from
    ) AS later
  FROM prices r JOIN price_tables t ON t.shop = r.shop AND t.table_code = r.table_code
  WHERE NOT r.deleted AND r.active AND r.valid_from <= {now} AND (r.valid_to IS NULL OR {now} < r.valid_to)
    AND NOT t.deleted AND t.active AND (t.valid_from IS NULL OR t.valid_from <= {now})
    AND (t.valid_to IS NULL OR {now} < t.valid_to)
) valid
WHERE later IS NULL
""".strip()
_STOCK_COLUMNS = ("shop", "product_code", "branch", "warehouse", "unit", "quantity", "lots", "as_of", "applied_at")
_SELLABLE_STOCK = f"""
SELECT s.shop, s.product_code, s.branch, s.warehouse, s.unit, {{total}} AS quantity, count(*) AS lots,
  min(s.as_of) AS as_of, max(s.applied_at) AS applied_at
FROM stock s
WHERE NOT s.deleted AND {_OF_LIVE_PRODUCT.format(alias="s")}
GROUP BY s.shop, s.product_code, s.branch, s.warehouse, s.unit
""".strip()

SQL_VIEWS: dict[str, SqlView] = {
    view.name: view
    for view in (
        _simple(
            "live_products",
            "products",
            "Products that are not deleted and active.",
            "SELECT {names}\nFROM products\nWHERE NOT deleted AND active",
        ),
        _simple(
            "live_images",
            "images",
            "Images that are not deleted, of live products. Show them by position.",
            "SELECT {names}\nFROM images i\nWHERE NOT deleted AND " + _OF_LIVE_PRODUCT.format(alias="i"),
        ),
        _simple(
            "sellable_packagings",
            "packagings",
            "Packagings that are not deleted and sellable, of live products.",
            "SELECT {names}\nFROM packagings u\nWHERE NOT deleted AND sellable AND "
            + _OF_LIVE_PRODUCT.format(alias="u"),
        ),
        _simple(
            "current_price_tables",
            "price_tables",
            "Price tables that are not deleted, active and valid now: valid_from <= now < valid_to; null is no bound.",
            "SELECT {names}\nFROM price_tables\nWHERE NOT deleted AND active AND (valid_from IS NULL OR valid_from <= "
            "{now})\n  AND (valid_to IS NULL OR {now} < valid_to)",
        ),
        SqlView(
            "current_prices",
            ENTITY_TABLES["prices"],
            "The prices that count now, one row a tier. Of the prices that are not deleted, active and valid now, in a "
            "current price table, it is the one with the latest valid_from of its shop, table, product, packaging and "
            "min_qty. For a quantity q the row with min_qty <= q and (next_min_qty is null or q < next_min_qty) "
            "counts. There is at most one; without one there is no price.",
            _PRICE_COLUMNS,
            _CURRENT_PRICES,
            {
                "next_min_qty": ("numeric", "The min_qty of the next tier, where this one ends; null: no end."),
                "currency": ("text", "Currency of the price table: a code of ISO 4217, such as BRL."),
                "valid_to": (
                    "timestamptz",
                    "End of the price's validity, itself excluded; null: no end. Its table may end before.",
                ),
            },
        ),
        SqlView(
            "sellable_stock",
            ENTITY_TABLES["stock"],
            "Stock that can be sold, of live products: one row for each shop, product, branch, warehouse and unit, "
            "over the lots that are not deleted. Without a row nothing is known to be there.",
            _STOCK_COLUMNS,
            _SELLABLE_STOCK,
            {
                "quantity": (
                    "numeric",
                    "Sum of available over the lots, of on_hand - reserved where it was not sent; at least 0.",
                ),
                "lots": ("bigint", "Number of lots in the sum."),
                "as_of": ("timestamptz", "Oldest as_of of the lots."),
                "applied_at": ("timestamptz", "Newest applied_at of the lots."),
            },
        ),
        _simple(
            "active_customers",
            "customers",
            "Customers that are not deleted and active. Personal data.",
            "SELECT {names}\nFROM customers\nWHERE NOT deleted AND status = 'active'",
        ),
    )
}
