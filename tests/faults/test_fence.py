"""The fence, with four worker processes under load: after `off` nothing of its scope is applied, in any process."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import psutil
import pytest

from tests.support.event_generator import BackgroundPublisher, DomainShop, EventGenerator, EventPublisher
from tests.support.programs import running_programs
from tests.support.services.postgres import Database
from tests.support.services.rabbitmq import Broker
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
def stack(rabbitmq: Broker, postgres: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerDeployment]:
    """Four worker processes under one parent."""
    with running_programs(tmp_path_factory.mktemp("fence")) as programs:
        stack = WorkerDeployment(rabbitmq, rabbitmq.new_vhost(), postgres.new_database(), programs, {"batch_size": 100})
        stack.worker(processes=PROCESSES)
        yield stack


def stopped_by(scope: tuple[str, tuple[str, ...]], cells: list[DomainShop]) -> set[DomainShop]:
    """The cells that a scope covers."""
    shop, domains = scope
    return {cell for cell in cells if shop in ("*", cell[1]) and (domains == ("*",) or cell[0] in domains)}


def check_one_pause(stack: WorkerDeployment, cells: list[DomainShop], scope: tuple[str, tuple[str, ...]]) -> None:
    """Pauses a scope under load, watches it stand still and the rest go on, and resumes it."""
    look, stopped = stack.look, stopped_by(scope, cells)
    reply = stack.pause(scope[0], *scope[1])
    first, discarded = look.seen(cells), look.discarded()
    assert all(first[cell].applied_at < reply.effective_at for cell in stopped), "applied after the pause"

    def discarding() -> bool:
        now = look.discarded()
        return all(now.get(cell, 0) - discarded.get(cell, 0) >= ENOUGH for cell in stopped)

    def applying() -> bool:
        now = look.seen(cells)
        return all(now[cell].versions > first[cell].versions for cell in cells if cell not in stopped)

    wait_until(discarding, timeout=60, what=f"{ENOUGH} discards in each of {stopped}")
    wait_until(applying, timeout=60, what=f"the rest to be applied while {stopped} stand still")
    stack.wait_empty(*{domain for domain, _ in stopped})
    second = look.seen(cells)
    assert {cell: second[cell] for cell in stopped} == {cell: first[cell] for cell in stopped}

    stack.resume(scope[0], *scope[1])
    last = look.discarded()

    def applying_again() -> bool:
        now = look.seen(cells)
        return all(now[cell].versions > second[cell].versions for cell in stopped)

    wait_until(applying_again, timeout=60, what=f"{stopped} to be applied again")
    assert look.discarded() == last, "discarded after the resume"


def test_twenty_pauses_under_load_hold_from_their_reply_on(stack: WorkerDeployment) -> None:
    erp = EventGenerator("norte", "sul", domains=("stock", "products"), keys=25)
    look = stack.look
    with BackgroundPublisher(stack.broker_url, erp) as flow:
        flow.reach(1000)
        wait_until(lambda: all(seen.rows for seen in look.seen(erp.cells).values()), what="every cell to have rows")
        for number in range(PAUSES):
            check_one_pause(stack, erp.cells, SCOPES[number % len(SCOPES)])
    with EventPublisher(stack.broker_url) as publisher:
        publisher.publish(erp.tell_all())
    total = flow.published + len(erp.newest)
    wait_until(
        lambda: sum(look.outcomes(shop).total() for shop in ("norte", "sul")) >= total,
        timeout=60,
        what="every event to have an outcome",
    )
    assert look.newest(*erp.cells) == erp.newest
    assert look.missed("norte", "sul") == {}
    assert sum(look.outcomes(shop).total() for shop in ("norte", "sul")) == total


def test_a_worker_that_hangs_inside_its_transaction_neither_stops_a_pause_nor_applies_its_batch_later(
    stack: WorkerDeployment,
) -> None:
    # Started last: the control queue's one active consumer is another process.
    hung = stack.faulty_worker("hangs with the batch written and not committed", 1)
    erp = EventGenerator("hung", keys=2000)
    with EventPublisher(stack.broker_url) as publisher:
        publisher.publish(erp.tell_all())
    process = psutil.Process(hung.pid)
    wait_until(lambda: process.status() == psutil.STATUS_STOPPED, timeout=30, what="the worker to hang")

    stack.pause("hung")
    applied = stack.look.newest(*erp.cells)
    assert len(applied) < len(erp.newest)
    hung.send(signal.SIGCONT)

    outcomes = stack.look.wait_accounted("hung", len(erp.newest))
    assert stack.look.newest(*erp.cells) == applied
    missed = stack.look.missed("hung")
    assert missed | applied == erp.newest
    assert outcomes == {"applied": len(applied), "discarded": len(missed)}
    assert len(missed) > 0
