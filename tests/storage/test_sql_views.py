"""The shop's views on SQLite and PostgreSQL: the contract's price rule against a model, stock, and what is live."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from schemas.events import parse_event
from tests.support.event_samples import sample_event
from tests.support.storage_harness import StorageHarness

HOUR = timedelta(hours=1)
# Hours from now; far enough from it that no test run reaches them.
BEGINS, ENDS = (-3, -2, -1, 1), (None, -1, 1, 2)
QUANTITIES = [Decimal(text) for text in ("0.5", "1", "2.5", "10", "11")]
shops = (f"s{number}" for number in count())


@pytest.fixture
def harness(any_database_url: str) -> Iterator[StorageHarness]:
    harness = StorageHarness(any_database_url)
    yield harness
    harness.engine.dispose()


def put(harness: StorageHarness, domain: str, shop: str, action: str = "changed", **data: Any) -> None:
    """Apply the sample of a domain with these fields."""
    version = str(put_versions.__next__())
    body = sample_event(domain, action=action, envelope={"sequence": version, "id": version}, **data)
    harness.commit(parse_event(domain, shop, body))


put_versions = count(1)


def select(engine: Engine, view: str, shop: str, columns: str = "*", more: str = "") -> list[Any]:
    """Read rows of a view as the shop does, with quantities as exact numbers."""
    query = text(f"SELECT {columns} FROM {view} WHERE shop = :shop {more}")
    with engine.connect() as connection:
        return list(connection.execute(query, {"shop": shop}))


def exact(value: Any) -> Decimal:
    return Decimal(str(value)).normalize()


@dataclass(frozen=True)
class Price:
    """A price of the model; times are hours from now."""

    table: str
    min_qty: str
    begins: int
    ends: int | None
    price: str
    active: bool
    deleted: bool


@dataclass(frozen=True)
class PriceTable:
    """A price table of the model; times are hours from now."""

    code: str
    begins: int | None
    ends: int | None
    active: bool
    deleted: bool


def counting(tables: dict[str, PriceTable], prices: list[Price], quantity: Decimal, table: str) -> str | None:
    """The contract's rule (section 4), word by word."""
    own = tables.get(table)
    if own is None or own.deleted or not own.active:
        return None
    if (own.begins is not None and own.begins > 0) or (own.ends is not None and own.ends <= 0):
        return None
    found = [price for price in prices if price.table == table and not price.deleted and price.active]
    found = [price for price in found if price.begins <= 0 and (price.ends is None or price.ends > 0)]
    found = [price for price in found if Decimal(price.min_qty) <= quantity]
    found.sort(key=lambda price: (Decimal(price.min_qty), price.begins))
    return found[-1].price if found else None


price_tables = st.builds(
    PriceTable,
    code=st.sampled_from("AB"),
    begins=st.sampled_from((None, -2, -2, 1)),
    ends=st.sampled_from((None, None, -1, 2)),
    active=st.sampled_from((True, True, True, False)),
    deleted=st.sampled_from((False, False, False, True)),
).map(lambda table: table if table.ends != -1 or table.begins != 1 else replace(table, ends=None))
prices = st.builds(
    Price,
    table=st.sampled_from("AABC"),
    min_qty=st.sampled_from(("1", "2.5", "10")),
    begins=st.sampled_from(BEGINS),
    ends=st.sampled_from(ENDS),
    price=st.sampled_from(("1.1", "2.02", "33333333333.0000000003")),
    active=st.sampled_from((True, True, True, False)),
    deleted=st.sampled_from((False, False, False, True)),
).map(lambda price: price if price.ends is None or price.ends > price.begins else replace(price, ends=None))


def hours(now: datetime, number: int | None) -> str | None:
    return None if number is None else (now + number * HOUR).isoformat()


def write(harness: StorageHarness, shop: str, tables: list[PriceTable], prices: list[Price]) -> None:
    now = datetime.now(UTC)
    for table in tables:
        window = {"valid_from": hours(now, table.begins), "valid_to": hours(now, table.ends)}
        put(harness, "price_tables", shop, table_code=table.code, active=table.active, **window)
        if table.deleted:
            put(harness, "price_tables", shop, "deleted", table_code=table.code)
    for price in prices:
        key = {"table_code": price.table, "product_code": "P1", "min_qty": price.min_qty}
        key["valid_from"] = str(hours(now, price.begins))
        state = {"price": price.price, "valid_to": hours(now, price.ends), "active": price.active}
        put(harness, "prices", shop, **key, **state)
        if price.deleted:
            put(harness, "prices", shop, "deleted", **key)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    tables=st.lists(price_tables, max_size=2, unique_by=lambda table: table.code),
    prices=st.lists(prices, max_size=6, unique_by=lambda price: (price.table, price.min_qty, price.begins)),
)
def test_the_view_gives_the_price_of_the_contract(
    harness: StorageHarness, tables: list[PriceTable], prices: list[Price]
) -> None:
    shop = next(shops)
    write(harness, shop, tables, prices)
    rows = select(harness.engine, "current_prices", shop)
    by_code = {table.code: table for table in tables}
    for table in "ABC":
        for quantity in QUANTITIES:
            tier = [
                row
                for row in rows
                if row.table_code == table
                and exact(row.min_qty) <= quantity
                and (row.next_min_qty is None or quantity < exact(row.next_min_qty))
            ]
            expected = counting(by_code, prices, quantity, table)
            assert [exact(row.price) for row in tier] == ([] if expected is None else [exact(expected)])


def test_a_price_of_another_packaging_shop_or_product_never_counts(harness: StorageHarness) -> None:
    for shop in ("one", "two"):
        put(harness, "price_tables", shop, table_code="A")
        for product in ("P1", "P2"):
            for packaging in ("", "CX"):
                price = f"{len(shop + product + packaging)}.{'1' if shop == 'one' else '2'}"
                names = {"product_code": product, "packaging_code": packaging}
                put(harness, "prices", shop, table_code="A", price=price, **names)
    rows = select(harness.engine, "current_prices", "one", "product_code, packaging_code, next_min_qty")
    assert sorted(rows) == [("P1", "", None), ("P1", "CX", None), ("P2", "", None), ("P2", "CX", None)]


def test_stock_is_summed_over_lots_of_live_products(harness: StorageHarness) -> None:
    put(harness, "products", "main", code="P1", active=True)
    put(harness, "products", "main", code="P2", active=False)
    place = {"branch": "1", "warehouse": "A", "unit": "UN"}
    for product in ("P1", "P2", "P3"):
        put(harness, "stock", "main", product_code=product, lot="L1", on_hand="0.1", **place)
        put(harness, "stock", "main", product_code=product, lot="L2", on_hand="0.5", reserved="0.3", **place)
        put(harness, "stock", "main", product_code=product, lot="L3", on_hand="5", available="0.4", **place)
        put(harness, "stock", "main", product_code=product, lot="L4", on_hand="7", **place)
        put(harness, "stock", "main", "deleted", product_code=product, branch="1", warehouse="A", lot="L4")
    put(harness, "stock", "main", product_code="P1", branch="1", warehouse="B", on_hand="-2", unit="UN")
    rows = select(harness.engine, "sellable_stock", "main", "product_code, warehouse, quantity, lots")
    assert sorted((row[0], row[1], exact(row[2]), row[3]) for row in rows) == [
        ("P1", "A", Decimal("0.7"), 3),
        ("P1", "B", Decimal(0), 1),
    ]


def test_only_what_is_live_is_shown(harness: StorageHarness) -> None:
    for code in ("P1", "P2", "P3"):
        put(harness, "products", "main", code=code, active=code != "P2")
        put(harness, "images", "main", product_code=code, image_id="1")
        put(harness, "packagings", "main", product_code=code, packaging_code="CX", sellable=True)
        put(harness, "packagings", "main", product_code=code, packaging_code="PL", sellable=False)
    put(harness, "images", "main", product_code="P1", image_id="2")
    put(harness, "images", "main", "deleted", product_code="P1", image_id="2")
    put(harness, "products", "main", "deleted", code="P3")
    put(harness, "customers", "main", code="C1", status="active")
    put(harness, "customers", "main", code="C2", status="blocked")
    assert select(harness.engine, "live_products", "main", "code") == [("P1",)]
    assert select(harness.engine, "live_images", "main", "product_code, image_id") == [("P1", "1")]
    assert select(harness.engine, "sellable_packagings", "main", "product_code, packaging_code") == [("P1", "CX")]
    assert select(harness.engine, "active_customers", "main", "code") == [("C1",)]


def test_a_price_table_is_current_within_its_window(harness: StorageHarness) -> None:
    tables = [
        PriceTable("open", None, None, active=True, deleted=False),
        PriceTable("over", -2, -1, active=True, deleted=False),
        PriceTable("later", 1, None, active=True, deleted=False),
        PriceTable("inactive", None, None, active=False, deleted=False),
        PriceTable("deleted", None, None, active=True, deleted=True),
        PriceTable("now", -1, 1, active=True, deleted=False),
    ]
    write(harness, "main", tables, [])
    assert sorted(select(harness.engine, "current_price_tables", "main", "table_code")) == [("now",), ("open",)]
