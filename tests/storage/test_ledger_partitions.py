"""Ledger in partitions by day, as docs/operations.md has it made: written, read and rolled up as before."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from storage.tables import ledger
from tests.support.storage_harness import stock_change
from tests.support.upkeep_harness import UpkeepHarness

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "operations.md"


def statements(step: str) -> str:
    """The statements of a step of the guide."""
    [block] = re.findall(rf"<!-- ledger: {step} -->\n\s*```sql\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    return str(block)


@pytest.fixture
def harness(database_url: str) -> Iterator[UpkeepHarness]:
    harness = UpkeepHarness(database_url)
    yield harness
    harness.engine.dispose()


def run(harness: UpkeepHarness, step: str) -> None:
    with harness.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.execute(statements(step), prepare=False)


def partitions(connection: Connection) -> list[str]:
    query = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'ledger'::regclass ORDER BY 1"
    return list(connection.scalars(text(query)))


def test_a_ledger_in_partitions_is_written_read_and_rolled_up_as_before(harness: UpkeepHarness) -> None:
    harness.fill_ledger(days=66, step=timedelta(hours=5, minutes=17))
    harness.commit(stock_change(1, "before"))
    before, totals = harness.sums(), harness.views.totals()
    for step in ("check", "switch", "days", "days"):
        run(harness, step)
        assert (harness.sums(), harness.views.totals()) == (before, totals)
    with harness.engine.connect() as connection:
        names = partitions(connection)
        assert len(names) == 16
        assert {"ledger_before_partitions", "ledger_other"} < set(names)

    # The connection that wrote before goes on, in the row of the same minute if it is still the same.
    harness.commit(stock_change(2, "after"))
    assert sum(harness.sums()[0].values()) == sum(before[0].values()) + 1
    sums, rows = harness.sums(), harness.count(ledger)
    assert harness.run()["ledger"] > 0
    assert harness.sums() == sums
    assert harness.count(ledger) < rows / 2
    assert harness.rolls_up_all()


def test_rows_of_a_day_without_a_partition_are_kept_and_named(harness: UpkeepHarness) -> None:
    for step in ("check", "switch"):
        run(harness, step)
    with harness.engine.begin() as connection:
        later = "INSERT INTO ledger VALUES (now() + interval '3 days', 'w1', 'main', 'stock', 'applied', 5)"
        connection.execute(text(later))
        assert connection.scalar(text("SELECT sum(count) FROM ledger_other")) == 5
    with pytest.raises(Exception, match="ledger_other"):
        run(harness, "days")
