"""Whatever dies, what was confirmed is applied exactly, and the queue is empty in the end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.events import Erp, Publisher
from tests.e2e.programs import running_programs
from tests.faults.stack import Stack
from tests.services.postgres import Database
from tests.services.rabbitmq import Broker


@pytest.fixture
def stack(
    rabbitmq: Broker, broker_url: str, database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    with running_programs(tmp_path_factory.mktemp("crashes")) as programs:
        yield Stack(rabbitmq, broker_url, database_url, programs)


def told(stack: Stack, shop: str) -> Erp:
    erp = Erp(shop, keys=2000)
    with Publisher(stack.broker_url) as publisher:
        publisher.publish(erp.tell_all())
    return erp


@pytest.mark.parametrize(
    "fault", ["dies before the commit", "dies between commit and acknowledgement", "dies after the acknowledgement"]
)
def test_a_worker_killed_at_any_step_loses_and_doubles_nothing(stack: Stack, fault: str) -> None:
    dying = stack.faulty_worker(fault, 2)
    erp = told(stack, "main")
    assert dying.wait() != 0
    stack.worker()
    stack.look.wait_converged(erp)
    stack.wait_empty()


def test_a_database_that_is_stopped_at_once_is_waited_for(stack: Stack, postgres: Database) -> None:
    worker = stack.worker(processes=2)
    erp = told(stack, "main")
    postgres.stop_immediate()
    try:
        worker.wait_for("database away")
    finally:
        postgres.start()
    stack.look.wait_converged(erp)
    stack.wait_empty()
    assert worker.stop() == 0
