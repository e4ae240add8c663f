"""Statistics of tables as good as empty, as right after an installation: a key leads to its one row all the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from tests.support.views_harness import ViewsHarness, change_event


@pytest.fixture
def harness(database_url: str) -> Iterator[ViewsHarness]:
    harness = ViewsHarness(database_url)
    harness.store.commit([change_event("products"), change_event("customers")])
    harness.accept_orders("O-1")
    with harness.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    yield harness
    harness.engine.dispose()


@pytest.mark.parametrize(("table", "code"), [("products", "code"), ("customers", "code"), ("orders", "order_id")])
def test_no_index_is_taken_for_the_key_that_many_rows_of_a_code_share(
    harness: ViewsHarness, table: str, code: str
) -> None:
    query = text(f"EXPLAIN SELECT * FROM {table} WHERE shop = 'main' AND {code} = 'C-1'")
    with harness.engine.connect() as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = "\n".join(connection.scalars(query))
    [condition] = [line for line in plan.splitlines() if "Index Cond" in line]
    assert "shop =" in condition, plan
    assert f"{code} =" in condition, plan
    assert "Filter" not in plan
    assert "Bitmap" not in plan
