"""The fence, with four worker processes under load: after `off` nothing of its scope is applied, in any process."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import psutil
import pytest

from tests.support.event_generator import BackgroundPublisher, DomainShop, EventGenerator, EventPublisher
from tests.support.programs import running_programs
from tests.support.services.broker import Broker
from tests.support.services.postgres import Database
from tests.support.wait import wait_until
from tests.support.worker_deployment import WorkerDeployment

PROCESSES = 4
PAUSES = 20
# How much must be discarded before a look at the tables says something: some batches of every process.
ENOUGH = 150
SCOPES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("*", ("*",)),
    ("norte", ("*",)),
    ("*", ("products",)),
    ("sul", ("stock",)),
)


@pytest.fixture(scope="module")
def deployment(
    rabbitmq: Broker, postgres: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WorkerDeployment]:
    """Four worker processes under one parent."""
    with running_programs(tmp_path_factory.mktemp("fence")) as programs:
        deployment = WorkerDeployment(
            rabbitmq, rabbitmq.new_vhost(), postgres.new_database(), programs, {"batch_size": 100}
        )
        deployment.worker(processes=PROCESSES)
        yield deployment


def stopped_by(scope: tuple[str, tuple[str, ...]], cells: list[DomainShop]) -> set[DomainShop]:
    """The cells that a scope covers."""
    shop, domains = scope
    return {cell for cell in cells if shop in ("*", cell[1]) and (domains == ("*",) or cell[0] in domains)}


def check_one_pause(deployment: WorkerDeployment, cells: list[DomainShop], scope: tuple[str, tuple[str, ...]]) -> None:
    """Pauses a scope under load, watches it stand still and the rest go on, and resumes it."""
    queries, stopped = deployment.queries, stopped_by(scope, cells)
    reply = deployment.pause(scope[0], *scope[1])
    first, discarded = queries.table_states(cells), queries.discarded()
    assert all(first[cell].applied_at < reply.effective_at for cell in stopped), "applied after the pause"

    def discarding() -> bool:
        now = queries.discarded()
        return all(now.get(cell, 0) - discarded.get(cell, 0) >= ENOUGH for cell in stopped)

    def applying() -> bool:
        now = queries.table_states(cells)
        return all(now[cell].versions > first[cell].versions for cell in cells if cell not in stopped)

    wait_until(discarding, what=f"{ENOUGH} discards in each of {stopped}")
    wait_until(applying, what=f"the rest to be applied while {stopped} stand still")
    deployment.wait_empty(*{domain for domain, _ in stopped})
    second = queries.table_states(cells)
    assert {cell: second[cell] for cell in stopped} == {cell: first[cell] for cell in stopped}

    deployment.resume(scope[0], *scope[1])
    last = queries.discarded()

    def applying_again() -> bool:
        now = queries.table_states(cells)
        return all(now[cell].versions > second[cell].versions for cell in stopped)

    wait_until(applying_again, what=f"{stopped} to be applied again")
    assert queries.discarded() == last, "discarded after the resume"


def test_twenty_pauses_under_load_hold_from_their_reply_on(deployment: WorkerDeployment) -> None:
    generator = EventGenerator("norte", "sul", domains=("stock", "products"), keys=25)
    queries = deployment.queries
    with BackgroundPublisher(deployment.broker_url, generator) as background:
        background.wait_confirmed(1000)
        wait_until(
            lambda: all(seen.rows for seen in queries.table_states(generator.domain_shops).values()),
            what="every cell to have rows",
        )
        for number in range(PAUSES):
            check_one_pause(deployment, generator.domain_shops, SCOPES[number % len(SCOPES)])
    with EventPublisher(deployment.broker_url) as publisher:
        publisher.publish(generator.events_of_all_keys())
    total = background.published + len(generator.newest)
    wait_until(
        lambda: sum(queries.outcomes(shop).total() for shop in ("norte", "sul")) >= total,
        what="every event to have an outcome",
    )
    assert queries.newest(*generator.domain_shops) == generator.newest
    assert queries.missed("norte", "sul") == {}
    assert sum(queries.outcomes(shop).total() for shop in ("norte", "sul")) == total


def test_a_worker_that_hangs_inside_its_transaction_neither_stops_a_pause_nor_applies_its_batch_later(
    deployment: WorkerDeployment,
) -> None:
    # Started last: the control queue's one active consumer is another process.
    hung = deployment.faulty_worker("hangs with the batch written and not committed", 1)
    generator = EventGenerator("hung", keys=2000)
    with EventPublisher(deployment.broker_url) as publisher:
        publisher.publish(generator.events_of_all_keys())
    process = psutil.Process(hung.pid)
    wait_until(lambda: process.status() == psutil.STATUS_STOPPED, what="the worker to hang")

    deployment.pause("hung")
    applied = deployment.queries.newest(*generator.domain_shops)
    assert len(applied) < len(generator.newest)
    hung.send(signal.SIGCONT)

    outcomes = deployment.queries.wait_accounted("hung", len(generator.newest))
    assert deployment.queries.newest(*generator.domain_shops) == applied
    missed = deployment.queries.missed("hung")
    assert missed | applied == generator.newest
    assert outcomes == {"applied": len(applied), "discarded": len(missed)}
    assert len(missed) > 0
