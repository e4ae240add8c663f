"""Orders survive what kills workers: each ends with one number of the ERP, and none leaves while they are off."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from broker.sync_publisher import SyncPublisher
from schemas.topology import ORDERS_IN
from tests.support.order_events import placed
from tests.support.programs import CompletedCommand, Program, running_programs
from tests.support.services.http_erp import HttpErp, running_http_erp
from tests.support.services.postgres import Database
from tests.support.services.rabbitmq import Broker
from tests.support.wait import wait_until
from tests.support.worker_deployment import WorkerDeployment

CLOUDEVENT = "application/cloudevents+json"


@pytest.fixture
def erp() -> Iterator[HttpErp]:
    """An ERP that answers at an address."""
    with running_http_erp() as erp:
        yield erp


@pytest.fixture
def stack(
    rabbitmq: Broker, postgres: Database, tmp_path_factory: pytest.TempPathFactory, erp: HttpErp
) -> Iterator[WorkerDeployment]:
    """Workers that deliver to the ERP."""
    with running_programs(tmp_path_factory.mktemp("orders")) as programs:
        settings = {"erp_url": erp.url}
        yield WorkerDeployment(rabbitmq, rabbitmq.new_vhost(), postgres.new_database(), programs, settings)


def place(stack: WorkerDeployment, *ids: str) -> None:
    publisher = SyncPublisher(stack.broker_url, "test shop")
    for order_id in ids:
        publisher.publish(placed(order_id), exchange=ORDERS_IN, routing_key="main", content_type=CLOUDEVENT)
    publisher.close()


def place_until_it_dies(stack: WorkerDeployment, dying: Program) -> int:
    """Many orders at once, and one by one as long as it lives: the answers to many may be recorded in one go."""
    number = 30
    place(stack, *(f"O{each}" for each in range(number)))

    def over() -> bool:
        return not dying.alive or states(stack) == {"internalized": number}

    wait_until(over, timeout=60, what="the orders to arrive or their sender to die")
    while dying.alive:
        place(stack, f"O{number}")
        number += 1
        wait_until(over, timeout=60, what="the order to arrive or its sender to die")
    return number


def states(stack: WorkerDeployment) -> dict[str, int]:
    return dict(stack.look.rows("SELECT state, count(*) FROM orders GROUP BY state"))


def check_each_has_its_own_number(stack: WorkerDeployment, erp: HttpErp, number: int) -> None:
    wait_until(lambda: states(stack) == {"internalized": number}, timeout=60, what="every order to have its number")
    rows = stack.look.rows("SELECT shop || '/' || order_id, erp_number FROM orders")
    assert dict(rows) == erp.numbers
    assert len(set(erp.numbers.values())) == number


@pytest.mark.parametrize(
    "fault", ["dies before sending an order", "dies between sending and recording", "dies after recording"]
)
def test_what_a_killed_worker_was_sending_is_sent_again_under_the_same_key(
    stack: WorkerDeployment, erp: HttpErp, fault: str
) -> None:
    dying = stack.faulty_worker(fault, 3)
    number = place_until_it_dies(stack, dying)
    assert dying.wait() == -signal.SIGKILL
    stack.worker()
    check_each_has_its_own_number(stack, erp, number)


def test_over_a_pause_none_of_many_orders_leaves_and_after_it_each_once(stack: WorkerDeployment, erp: HttpErp) -> None:
    stack.worker(processes=2)
    stack.pause("main", "orders")
    place(stack, *(f"O{number}" for number in range(200)))
    wait_until(lambda: states(stack) == {"waiting": 200}, timeout=60, what="all orders to be accepted")
    assert erp.asked.total() == 0
    stack.resume("main", "orders")
    check_each_has_its_own_number(stack, erp, 200)
    assert erp.asked.total() == 200


def test_a_pause_amid_the_sending_settles_what_is_in_flight_and_lets_nothing_follow(
    stack: WorkerDeployment, erp: HttpErp
) -> None:
    stack.worker()
    erp.default = "hang"
    place(stack, *(f"O{number}" for number in range(80)))
    wait_until(lambda: erp.asked.total() >= 20, timeout=30, what="orders to be in flight")
    reply = stack.pause("main", "orders")
    assert reply.in_flight_orders >= 20
    erp.default = "take"
    erp.let_go.set()
    wait_until(lambda: "sending" not in states(stack), timeout=30, what="what was in flight to settle")
    asked = erp.asked.total()
    assert asked == reply.in_flight_orders == states(stack)["internalized"]
    stack.resume("main", "orders")
    check_each_has_its_own_number(stack, erp, 80)


def test_a_person_sees_what_the_erp_has_rejected_and_has_it_sent_again(stack: WorkerDeployment, erp: HttpErp) -> None:
    def run(*arguments: str) -> CompletedCommand:
        return stack.programs.run(*arguments, broker_url=stack.broker_url, database_url=stack.database_url)

    erp.script = ["400"]
    stack.worker()
    place(stack, "O1")
    wait_until(lambda: states(stack) == {"rejected": 1}, timeout=30, what="the ERP to say no")
    [row] = run("orders", "list", "--state", "rejected", "--shop", "main", "--json").json
    assert (row["order_id"], row["last_error"]) == ("O1", 'HTTP 400: {"detail": "no such customer"}')
    assert run("orders", "list", "--state", "waiting", "--json").json == []
    assert run("orders", "show", "O1", "--json").json["payload"]["total"] == "19.98"
    assert "no such customer" in run("orders", "list").out
    assert "orders of main: 1 rejected" in run("status").out
    assert run("orders", "show", "O2").code == 1
    done = run("orders", "retry", "O1")
    assert (done.code, done.out.strip()) == (0, "1 of 1 orders wait to be sent again")
    check_each_has_its_own_number(stack, erp, 1)
    again = run("orders", "retry", "O1")
    assert again.code == 1
    assert "left as they are: O1" in again.err
