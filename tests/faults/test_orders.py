"""Orders survive what kills workers: each ends with one number of the ERP, and none leaves while they are off."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from broker.sync_publisher import SyncPublisher
from schemas.topology import ORDERS_IN
from tests.support.order_events import placed
from tests.support.programs import CompletedCommand, Program, running_programs
from tests.support.services.broker import Broker
from tests.support.services.http_erp import HttpErp, running_http_erp
from tests.support.services.postgres import Database
from tests.support.wait import wait_until
from tests.support.worker_deployment import WorkerDeployment

CLOUDEVENT = "application/cloudevents+json"


@pytest.fixture
def erp() -> Iterator[HttpErp]:
    """An ERP that answers at an address."""
    with running_http_erp() as erp:
        yield erp


@pytest.fixture
def deployment(
    rabbitmq: Broker, postgres: Database, tmp_path_factory: pytest.TempPathFactory, erp: HttpErp
) -> Iterator[WorkerDeployment]:
    """Workers that deliver to the ERP."""
    with running_programs(tmp_path_factory.mktemp("orders")) as programs:
        settings = {"erp_url": erp.url}
        yield WorkerDeployment(rabbitmq, rabbitmq.new_vhost(), postgres.new_database(), programs, settings)


def place(deployment: WorkerDeployment, *ids: str) -> None:
    publisher = SyncPublisher(deployment.broker_url, "test shop")
    for order_id in ids:
        publisher.publish(placed(order_id), exchange=ORDERS_IN, routing_key="main", content_type=CLOUDEVENT)
    publisher.close()


def place_until_it_dies(deployment: WorkerDeployment, dying: Program) -> int:
    """Many orders at once, and one by one as long as it lives: the answers to many may be recorded in one go."""
    number = 30
    place(deployment, *(f"O{each}" for each in range(number)))

    def over() -> bool:
        return not dying.alive or states(deployment) == {"internalized": number}

    wait_until(over, what="the orders to arrive or their sender to die")
    while dying.alive:
        place(deployment, f"O{number}")
        number += 1
        wait_until(over, what="the order to arrive or its sender to die")
    return number


def states(deployment: WorkerDeployment) -> dict[str, int]:
    return dict(deployment.queries.rows("SELECT state, count(*) FROM orders GROUP BY state"))


def check_each_has_its_own_number(deployment: WorkerDeployment, erp: HttpErp, number: int) -> None:
    wait_until(lambda: states(deployment) == {"internalized": number}, what="every order to have its number")
    rows = deployment.queries.rows("SELECT shop || '/' || order_id, erp_number FROM orders")
    assert dict(rows) == erp.numbers
    assert len(set(erp.numbers.values())) == number


@pytest.mark.parametrize(
    "fault", ["dies before sending an order", "dies between sending and recording", "dies after recording"]
)
def test_what_a_killed_worker_was_sending_is_sent_again_under_the_same_key(
    deployment: WorkerDeployment, erp: HttpErp, fault: str
) -> None:
    dying = deployment.faulty_worker(fault, 3)
    number = place_until_it_dies(deployment, dying)
    assert dying.wait() == -signal.SIGKILL
    deployment.worker()
    check_each_has_its_own_number(deployment, erp, number)


def test_over_a_pause_none_of_many_orders_leaves_and_after_it_each_once(
    deployment: WorkerDeployment, erp: HttpErp
) -> None:
    deployment.worker(processes=2)
    deployment.pause("main", "orders")
    place(deployment, *(f"O{number}" for number in range(200)))
    wait_until(lambda: states(deployment) == {"waiting": 200}, what="all orders to be accepted")
    assert erp.requests.total() == 0
    deployment.resume("main", "orders")
    check_each_has_its_own_number(deployment, erp, 200)
    assert erp.requests.total() == 200


def test_a_pause_amid_the_sending_settles_what_is_in_flight_and_lets_nothing_follow(
    deployment: WorkerDeployment, erp: HttpErp
) -> None:
    deployment.worker()
    erp.default = "hang"
    place(deployment, *(f"O{number}" for number in range(80)))
    wait_until(lambda: erp.requests.total() >= 20, what="orders to be in flight")
    reply = deployment.pause("main", "orders")
    assert reply.in_flight_orders >= 20
    erp.default = "take"
    erp.released.set()
    wait_until(lambda: "sending" not in states(deployment), what="what was in flight to settle")
    asked = erp.requests.total()
    assert asked == reply.in_flight_orders == states(deployment)["internalized"]
    deployment.resume("main", "orders")
    check_each_has_its_own_number(deployment, erp, 80)


def test_a_person_sees_what_the_erp_has_rejected_and_has_it_sent_again(
    deployment: WorkerDeployment, erp: HttpErp
) -> None:
    def run(*arguments: str) -> CompletedCommand:
        return deployment.programs.run(
            *arguments, broker_url=deployment.broker_url, database_url=deployment.database_url
        )

    erp.script = ["400"]
    deployment.worker()
    place(deployment, "O1")
    wait_until(lambda: states(deployment) == {"rejected": 1}, what="the ERP to say no")
    [row] = run("orders", "list", "--state", "rejected", "--shop", "main", "--json").json
    assert (row["order_id"], row["last_error"]) == ("O1", 'HTTP 400: {"detail": "no such customer"}')
    assert run("orders", "list", "--state", "waiting", "--json").json == []
    assert run("orders", "show", "O1", "--json").json["payload"]["total"] == "19.98"
    assert "no such customer" in run("orders", "list").out
    assert "orders of main: 1 rejected" in run("status").out
    assert run("orders", "show", "O2").code == 1
    done = run("orders", "retry", "O1")
    assert (done.code, done.out.strip()) == (0, "1 of 1 orders wait to be sent again")
    check_each_has_its_own_number(deployment, erp, 1)
    again = run("orders", "retry", "O1")
    assert again.code == 1
    assert "left as they are: O1" in again.err
