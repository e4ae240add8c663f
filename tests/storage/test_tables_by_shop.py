"""Table of stock in partitions by shop, as docs/scaling.md has it made: written and read as before."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from rules.outcomes import Outcome
from tests.support.storage_harness import stock_change
from tests.support.views_harness import ViewsHarness, change_event

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "scaling.md"


@pytest.fixture
def harness(database_url: str) -> Iterator[ViewsHarness]:
    harness = ViewsHarness(database_url)
    yield harness
    harness.engine.dispose()


def spread_stock(harness: ViewsHarness) -> None:
    [statements] = re.findall(r"<!-- tables: by shop -->\n```sql\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    with harness.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.execute(statements, prepare=False)


def sellable(harness: ViewsHarness) -> list[tuple[str, str]]:
    """The shops and products that the view of the shop has."""
    query = text("SELECT shop, product_code FROM sellable_stock ORDER BY shop, product_code")
    with harness.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(query)]


def test_stock_in_partitions_is_written_and_read_as_before(harness: ViewsHarness) -> None:
    harness.commit(
        change_event("products", code="A"),
        change_event("products", shop="shop-7", code="A"),
        stock_change(1, "A"),
        stock_change(5, "B"),
    )
    before, could_be_sold = harness.rows(), sellable(harness)
    spread_stock(harness)
    assert (harness.rows(), sellable(harness)) == (before, could_be_sold)

    # The connections that wrote before go on: newer ones win, older ones don't, and new shops find their partition.
    shops = [change_event("stock", shop=f"shop-{number}", product_code="A") for number in range(40)]
    assert harness.commit(stock_change(2, "A"), stock_change(4, "B"), *shops) == {
        Outcome.APPLIED: 41,
        Outcome.SUPERSEDED: 1,
    }
    assert could_be_sold == sellable(harness)[:1] == [("main", "A")]
    assert harness.commit(stock_change(3, "A", action="deleted")) == {Outcome.APPLIED: 1}
    with harness.engine.connect() as connection:
        parts = connection.scalar(text("SELECT count(DISTINCT tableoid) FROM stock"))
        assert connection.scalar(text("SELECT count(*) FROM stock_before")) == 2
    assert parts > 8
    assert len(harness.rows()) == 42
    assert sellable(harness) == [("shop-7", "A")]
