"""Quantities and prices compare as numbers in SQL and keep every digit, on SQLite and on PostgreSQL."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from alembic import command
from sqlalchemy import Engine, text

from rules.outcomes import Outcome
from schemas.events import parse_event
from schemas.fields import canonical_decimal
from storage.engine import open_engine
from storage.migrate import alembic_config, migrate
from tests.support.event_samples import sample_event
from tests.support.storage_harness import StorageHarness

QUANTITIES = ["0", "-0", "5", "5.0000", "12.000", "-3.5", "100", "99999999999.9999", "-99999999999.9999", "0.0001"]
PRICES = [
    "0.0000000001", "5", "5.10", "12.50", "99.9999999999", "123456.1234567891", "12345678901.1234567891",
    "99999999999.9999999999", "99999999999", "10000000000.5000000000", "100000.0000000001",
]  # fmt: skip


def put_stock(place: StorageHarness, quantities: list[str]) -> None:
    place.commit(
        *(
            parse_event("stock", "main", sample_event("stock", product_code=f"P{number}", on_hand=quantity))
            for number, quantity in enumerate(quantities)
        )
    )


def put_prices(place: StorageHarness, prices: list[str]) -> None:
    place.commit(
        *(
            parse_event("prices", "main", sample_event("prices", product_code=f"P{number}", price=price))
            for number, price in enumerate(prices)
        )
    )


@pytest.fixture
def place(any_database_url: str) -> StorageHarness:
    return StorageHarness(any_database_url)


def chosen(engine: Engine, query: str, **values: object) -> set[str]:
    with engine.connect() as connection:
        return set(connection.execute(text(query), values).scalars())


@pytest.mark.parametrize("limit", ["5", "12", "-4", "0", "100", "99999999999.9"])
def test_quantities_compare_as_numbers(place: StorageHarness, limit: str) -> None:
    put_stock(place, QUANTITIES)
    above = {f"P{number}" for number, each in enumerate(QUANTITIES) if Decimal(each) >= Decimal(limit)}
    assert chosen(place.engine, f"SELECT product_code FROM stock WHERE on_hand >= {limit}") == above
    if place.engine.dialect.name == "sqlite":
        # As a driver sends it that knows texts only.
        assert chosen(place.engine, "SELECT product_code FROM stock WHERE on_hand >= :limit", limit=limit) == above


@pytest.mark.parametrize("limit", ["5", "12", "0", "99.5", "99999"])
def test_prices_compare_as_numbers(place: StorageHarness, limit: str) -> None:
    put_prices(place, PRICES)
    above = {f"P{number}" for number, each in enumerate(PRICES) if Decimal(each) >= Decimal(limit)}
    assert chosen(place.engine, f"SELECT product_code FROM prices WHERE price >= {limit}") == above


def test_the_lowest_price_comes_first(place: StorageHarness) -> None:
    put_prices(place, ["9", "10", "10.5", "2.25", "100"])
    with place.engine.connect() as connection:
        ordered = list(connection.execute(text("SELECT product_code FROM prices ORDER BY price")).scalars())
    assert ordered == ["P3", "P0", "P1", "P2", "P4"]


def test_no_digit_is_lost(place: StorageHarness) -> None:
    random = Random(7)
    longest = [f"{random.randrange(10**11)}.{random.randrange(10**10):010}" for _ in range(200)]
    whole = [f"{random.randrange(10**11)}.{random.randrange(10**4):04}" for _ in range(200)]
    put_prices(place, PRICES + longest)
    put_stock(place, QUANTITIES + whole)
    assert {row["product_code"]: row["price"] for row in place.rows("prices")} == {
        f"P{number}": Decimal(price) for number, price in enumerate(PRICES + longest)
    }
    assert {row["product_code"]: row["on_hand"] for row in place.rows("stock")} == {
        f"P{number}": Decimal(quantity) for number, quantity in enumerate(QUANTITIES + whole)
    }


def test_what_any_program_reads_from_sqlite_is_canonical(sqlite_url: str) -> None:
    place = StorageHarness(sqlite_url)
    put_prices(place, PRICES)
    put_stock(place, QUANTITIES)
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as connection:
        for table, column, sent in (("prices", "price", PRICES), ("stock", "on_hand", QUANTITIES)):
            stored = dict(connection.execute(f"SELECT product_code, {column} FROM {table}").fetchall())
            for number, each in enumerate(sent):
                value = stored[f"P{number}"]
                assert Decimal(str(value)) == Decimal(each)
                assert isinstance(value, int | float) or value == canonical_decimal(each)


def test_a_price_that_is_sent_again_in_another_notation_is_the_same(place: StorageHarness) -> None:
    for prices in (["5.10", "12345678901.1234567000"], ["5.1", "12345678901.1234567"]):
        put_prices(place, prices)
    assert place.views.totals()["prices"] == {"applied": 2, "superseded": 2}


def test_a_price_is_one_whatever_the_notation_of_its_quantity(place: StorageHarness) -> None:
    def told(quantity: str, version: str) -> dict[Outcome, int]:
        body = sample_event("prices", envelope={"sequence": version}, min_qty=quantity)
        return place.commit(parse_event("prices", "main", body))

    assert told("2.50", "1") == told("2.5000", "2") == told("25e-1", "3") == {Outcome.APPLIED: 1}
    assert [row["min_qty"] for row in place.rows("prices")] == [Decimal("2.5")]


def test_an_sqlite_file_of_an_earlier_version_is_converted(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    engine = open_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        command.upgrade(alembic_config(connection), "0007")
    with sqlite3.connect(path) as old:
        stamps = "1, 'e', 0, NULL, '2026-01-01T00:00:00.000000Z'"
        old.executemany(
            f"INSERT INTO prices VALUES ('main', 'T', ?, '', '2.5', ?, ?, NULL, NULL, 1, {stamps})",
            [(f"P{number}", "1970-01-01T00:00:00.000000Z", price) for number, price in enumerate(PRICES)],
        )
        old.executemany(
            f"INSERT INTO stock VALUES ('main', ?, '1', 'W', '', ?, NULL, NULL, 'UN', NULL, {stamps})",
            [(f"P{number}", quantity) for number, quantity in enumerate(QUANTITIES)],
        )
        old.execute(
            "INSERT INTO customers (shop, code, document, credit_limit, version, event_id, deleted, applied_at) "
            "VALUES ('main', 'C1', '52998224725', '1500.50', 1, 'e', 0, '2026-01-01T00:00:00.000000Z')"
        )
    migrate(engine)
    place = StorageHarness(f"sqlite:///{path}")
    assert {row["product_code"]: row["price"] for row in place.rows("prices")} == {
        f"P{number}": Decimal(price) for number, price in enumerate(PRICES)
    }
    assert {row["product_code"]: row["on_hand"] for row in place.rows("stock")} == {
        f"P{number}": Decimal(quantity) for number, quantity in enumerate(QUANTITIES)
    }
    assert chosen(engine, "SELECT code FROM customers WHERE credit_limit > 200 AND document = '52998224725'") == {"C1"}
    assert chosen(engine, "SELECT name FROM sqlite_master WHERE name = 'customers_document'")
    # The key is the same as that of a new event.
    body = sample_event("prices", table_code="T", product_code="P1", min_qty="2.50", packaging_code="", price="7")
    place.commit(parse_event("prices", "main", body))
    assert [row["price"] for row in place.rows("prices") if row["product_code"] == "P1"] == [7]
    with engine.connect() as connection:
        command.downgrade(alembic_config(connection), "0007")
    assert chosen(engine, "SELECT typeof(on_hand) FROM stock") == {"text"}
