"""A process is well while its loops turn, and ready while broker and database are there: they are asked for real."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pika
import pytest

from tests.support.event_generator import Event, EventPublisher
from tests.support.metrics_client import get_health, two_free_ports
from tests.support.monitored_deployment import MonitoredDeployment, start_program
from tests.support.programs import Programs
from tests.support.services.broker import Broker
from tests.support.services.ports import HOST, free_port
from tests.support.services.postgres import Database
from tests.support.services.proxy import Proxy
from tests.support.wait import wait_until

READY = {
    "status": "ready",
    "broker": {"reachable": True},
    "database": {"reachable": True},
    "consumption": {"state": "ok"},
}


def test_worker_and_page_are_well_and_ready(deployment: MonitoredDeployment) -> None:
    for port in (deployment.worker_port, deployment.admin_port):
        assert get_health(port, "healthz") == (200, {"status": "ok"})
        wait_until(lambda port=port: get_health(port, "readyz") == (200, READY), what="it to be ready")


def test_a_page_is_ready_once_a_pause_finds_its_queue_on_a_broker_that_had_none(
    programs: Programs, rabbitmq: Broker, database_url: str
) -> None:
    port, url = free_port(), rabbitmq.new_vhost()
    program = start_program(programs, "admin", broker_url=url, database_url=database_url, admin_port=port)
    wait_until(lambda: get_health(port, "readyz")[0] == 200, what="it to be ready")
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for exchange, key in (("comporta.control", "pause"), ("erp.events", "main.stock"), ("shop.orders", "main")):
            channel.basic_publish(exchange, key, b"{}", mandatory=True)
    assert program.stop() == 0


def test_a_loop_that_hangs_is_named_though_the_port_answers(
    programs: Programs, broker_url: str, database_url: str
) -> None:
    port = free_port()
    settings = {"broker_url": broker_url, "database_url": database_url, "metrics_port": port, "log_format": "json"}
    program = programs.start(module="tests.support.stalling_program", **settings)
    program.wait_for("broker connected", session="events")
    with EventPublisher(broker_url) as publisher:
        publisher.publish([Event("stock", "main", "a", 1)])
        wait_until(lambda: httpx.get(f"http://{HOST}:{port}/metrics").text.count("applied"), what="the first batch")
        assert get_health(port, "healthz") == (200, {"status": "ok"})
        publisher.publish([Event("stock", "main", "a", 2)])
    code, found = wait_until(
        lambda: answer if (answer := get_health(port, "healthz"))[0] == 503 else None, what="it to be found"
    )
    assert (code, found["status"], list(found["loops"])) == (503, "unwell", ["worker"])
    assert "has not turned for" in found["loops"]["worker"]
    assert get_health(port, "readyz") == (200, READY)


def test_a_killed_broker_is_named_until_it_is_back_and_waiting_for_it_is_no_illness(
    programs: Programs, rabbitmq: Broker, database_url: str
) -> None:
    port = free_port()
    began = datetime.now(UTC)
    program = start_program(
        programs, "worker", broker_url=rabbitmq.new_vhost(), database_url=database_url, metrics_port=port
    )
    program.wait_for("broker connected", session="events")
    rabbitmq.kill()
    try:
        code, found = wait_until(
            lambda: answer if (answer := get_health(port, "readyz"))[0] == 503 else None, what="the loss"
        )
        assert (code, found["status"]) == (503, "not ready")
        assert (found["broker"]["reachable"], found["database"]) == (False, {"reachable": True})
        since = datetime.fromisoformat(found["broker"]["since"])
        assert began < since <= datetime.now(UTC) + timedelta(seconds=1)
        assert get_health(port, "readyz")[1]["broker"]["since"] == found["broker"]["since"]
        program.wait_for("broker away")
        assert get_health(port, "healthz") == (200, {"status": "ok"})
    finally:
        rabbitmq.start()
    wait_until(lambda: get_health(port, "readyz") == (200, READY), what="the broker to be back")


@pytest.mark.parametrize("how", ["refuse", "freeze"])
def test_a_database_that_is_away_is_named_in_bounded_time(
    programs: Programs, postgres: Database, broker_url: str, database_url: str, how: str
) -> None:
    port = free_port()
    with Proxy(postgres.port) as proxy:
        url = proxy.through(database_url)
        program = start_program(programs, "worker", broker_url=broker_url, database_url=url, metrics_port=port)
        program.wait_for("broker connected", session="events")
        getattr(proxy, how)()
        code, found = wait_until(
            lambda: answer if (answer := get_health(port, "readyz"))[0] == 503 else None, what="the loss"
        )
        assert (code, found["database"]["reachable"], found["broker"]) == (503, False, {"reachable": True})
        assert get_health(port, "healthz") == (200, {"status": "ok"})
        proxy.resume()
        wait_until(lambda: get_health(port, "readyz") == (200, READY), what="the database to be back")


@pytest.mark.parametrize("processes", [1, 2])
def test_who_waits_for_the_database_at_the_start_is_well_and_not_ready(
    programs: Programs, broker_url: str, processes: int
) -> None:
    first = two_free_ports()
    settings = {"broker_url": broker_url, "database_url": f"postgresql://x@{HOST}:{free_port()}/x"}
    program = programs.start("worker", "--processes", str(processes), **settings, metrics_port=first, log_format="json")
    program.wait_for("metrics", times=processes)
    for port in range(first, first + processes):
        assert get_health(port, "healthz") == (200, {"status": "ok"})
        assert get_health(port, "readyz")[1]["database"]["reachable"] is False
    assert program.stop() == 0
