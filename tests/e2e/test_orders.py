"""A simulated shop places orders, and a simulated ERP answers them over AMQP or HTTP, each in processes of its own."""

from __future__ import annotations

import contextlib
from contextlib import ExitStack
from pathlib import Path

import pytest

from broker.sync_publisher import SyncPublisher
from schemas.topology import ORDERS_IN
from tests.support.database_queries import DatabaseQueries
from tests.support.order_events import cancelled, placed
from tests.support.programs import running_programs
from tests.support.services.broker import Broker
from tests.support.services.ports import free_port, is_listening
from tests.support.services.proxy import Proxy, through_all
from tests.support.services.rabbitmq import RabbitMQ
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
            wait_until(lambda: is_listening(port), what="the ERP to listen")
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
        wait_until(lambda: states() and states().keys() <= {"internalized", "rejected"}, what="all to be answered")
        assert states()["internalized"] > states().get("rejected", 0) > 0
        [(numbers, orders)] = queries.rows(
            "SELECT count(DISTINCT erp_number), count(*) FROM orders WHERE state = 'internalized'"
        )
        assert numbers == orders
        assert [process.stop() for process in (erp, worker)] == [0, 0]


def test_a_simulated_erp_answers_its_own_shops_and_cancellations_across_losses_of_the_broker(
    rabbitmq: Broker, broker_url: str, database_url: str, tmp_path: Path
) -> None:
    real: dict[str, object] = {"DATABASE_URL": database_url, "ERP_ORDER_QUEUES": "norte"}
    queries = DatabaseQueries(database_url)
    shop = SyncPublisher(broker_url, "test shop")

    def state(order_id: str) -> str | None:
        rows = queries.rows("SELECT state FROM orders WHERE order_id = %s", order_id)
        return str(rows[0][0]) if rows else None

    def say(name: str, body: bytes) -> None:
        shop.publish(body, exchange=ORDERS_IN, routing_key=name)

    with running_programs(tmp_path) as programs, Proxy(rabbitmq.port) as proxy:
        programs.worker("--domains", "orders", BROKER_URL=broker_url, **real)
        calm = ("--slow", "0", "--rejected", "0", "--silent", "0")
        erp = programs.start("simulate-erp", "--shop", "norte", *calm, BROKER_URL=proxy.through(broker_url), **real)
        say("sul", placed("S1"))
        say("norte", placed("N1"))
        wait_until(lambda: state("N1") == "internalized", what="the order of its shop to be answered")
        proxy.cut()
        say("norte", placed("N2"))
        wait_until(lambda: state("N2") == "internalized", what="an order after the loss to be answered")
        say("norte", cancelled("N2"))
        wait_until(lambda: state("N2") == "cancelled", what="the cancellation to be answered")
        assert state("S1") == "sent"
        shop.close()
        assert erp.stop() == 0


def test_a_simulated_erp_answers_over_another_node_and_after_the_restart_of_the_broker(
    database_url: str, tmp_path: Path
) -> None:
    queries, broker = DatabaseQueries(database_url), RabbitMQ()

    def numbers() -> dict[str, str]:
        return dict(queries.rows("SELECT order_id, erp_number FROM orders WHERE state = 'internalized'"))

    def place(*order_ids: str) -> None:
        with contextlib.closing(SyncPublisher(url, "test shop")) as shop:
            for order_id in order_ids:
                shop.publish(placed(order_id), exchange=ORDERS_IN, routing_key="norte")
        wait_until(lambda: {*order_ids} <= numbers().keys(), what=f"{order_ids} to be answered")

    with contextlib.closing(broker), ExitStack() as stack:
        broker.open()
        url = broker.new_vhost()
        programs = stack.enter_context(running_programs(tmp_path))
        ways = [stack.enter_context(Proxy(broker.port)) for _ in range(3)]
        programs.worker("--domains", "orders", BROKER_URL=url, DATABASE_URL=database_url)
        ways[0].refuse()
        nodes = through_all(url, *ways)
        erp = programs.start("simulate-erp", "--slow", "0", "--rejected", "0", "--silent", "0", BROKER_URL=nodes)
        place("O1")
        # The node of one of its connections is gone, too; a third is left.
        next(way for way in ways if way.connections).refuse()
        place("O2")
        broker.kill()
        broker.start()
        place("O3", "O4")
        found = numbers()
        assert len({*found.values()}) == len(found) == 4
        assert erp.stop() == 0
        assert "Traceback" not in erp.output
