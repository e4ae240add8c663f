"""A simulated shop places orders, and a simulated ERP answers them over AMQP or HTTP, each in processes of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.database_queries import DatabaseQueries
from tests.support.programs import running_programs
from tests.support.services.ports import free_port, is_listening
from tests.support.wait import wait_until


@pytest.mark.parametrize("way", ["amqp", "http"])
def test_orders_of_a_simulated_shop_get_their_numbers(
    broker_url: str, database_url: str, tmp_path: Path, way: str
) -> None:
    port = free_port()
    real: dict[str, object] = {"BROKER_URL": broker_url, "DATABASE_URL": database_url}
    calm = ("--slow", "0", "--rejected", "0.2", "--silent", "0")
    queries = DatabaseQueries(database_url)

    def states() -> dict[str, int]:
        return dict(queries.rows("SELECT state, count(*) FROM orders GROUP BY state"))

    with running_programs(tmp_path) as programs:
        if way == "http":
            erp = programs.start("simulate-erp", "--http", str(port), *calm)
            wait_until(lambda: is_listening(port), timeout=30, what="the ERP to listen")
            real["ERP_URL"] = f"http://127.0.0.1:{port}/orders"
        worker = programs.worker("--domains", "orders", **real)
        if way == "amqp":
            erp = programs.start("simulate-erp", *calm, **real)
        done = programs.run(
            *(
                "simulate",
                "--orders",
                "20",
                "--rate",
                "1",
                "--seconds",
                "4",
                "--bad",
                "0",
                "--duplicates",
                "0",
                "--json",
            ),
            **real,
        )
        assert done.code == 0
        wait_until(
            lambda: states() and states().keys() <= {"internalized", "rejected"}, timeout=60, what="all to be answered"
        )
        assert states()["internalized"] > states().get("rejected", 0) > 0
        [(numbers, orders)] = queries.rows(
            "SELECT count(DISTINCT erp_number), count(*) FROM orders WHERE state = 'internalized'"
        )
        assert numbers == orders
        assert [process.stop() for process in (erp, worker)] == [0, 0]
