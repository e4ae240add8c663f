"""A full load through two workers, of which one is killed in the middle: what it deletes is exact all the same."""

from __future__ import annotations

import signal
from typing import Any

from tests.support.database_queries import DatabaseQueries
from tests.support.load_messages import KEYS, begun, expected_rows, first_rows, publish, whole_load
from tests.support.wait import wait_until
from tests.support.worker_deployment import SharedWorkerDeployment

SHOP = "full-load"


def test_a_load_is_exact_though_one_of_two_workers_is_killed_in_its_middle(
    shared_deployment: SharedWorkerDeployment,
) -> None:
    queries = shared_deployment.queries
    publish(shared_deployment.broker_url, first_rows(), f"{SHOP}.products")
    queries.wait_accounted(SHOP, KEYS)
    victim = shared_deployment.worker()
    publish(shared_deployment.broker_url, [begun()], f"{SHOP}.products")
    publish(shared_deployment.broker_url, whole_load(), f"{SHOP}.products.bulk")
    wait_until(lambda: told(queries, "sum(seen)") > KEYS // 4, what="a quarter of the load to come")
    victim.send(signal.SIGKILL)
    assert victim.wait() == -signal.SIGKILL
    wait_until(lambda: told(queries, "min(state)") == "completed", what="the load to be completed")
    rows = queries.rows("SELECT code, version, deleted FROM products WHERE shop = %s ORDER BY code", SHOP)
    assert rows == expected_rows()
    assert queries.missed(SHOP) == {}
    keys = "SELECT count(*) FROM load_keys"
    wait_until(lambda: queries.rows(keys) == [(0,)], what="the keys of the load to be forgotten")


def told(queries: DatabaseQueries, column: str) -> Any:
    """Return a value of the load."""
    return queries.rows(f"SELECT {column} FROM loads WHERE shop = %s", SHOP)[0][0] or 0
