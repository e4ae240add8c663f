"""Off stays off: over restarts of the worker, the broker and the database, and with thousands waiting."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import psutil
import pytest

from tests.support.event_generator import EventGenerator
from tests.support.services.broker import Broker
from tests.support.services.postgres import Database
from tests.support.wait import wait_until
from tests.support.worker_deployment import SharedWorkerDeployment

KEYS = 40


def check_all_discarded(shared_deployment: SharedWorkerDeployment, generator: EventGenerator, events: int) -> None:
    """Waits until so many events have an outcome; all must be discarded and their keys missed."""
    [(_, shop)] = generator.domain_shops
    assert shared_deployment.queries.wait_accounted(shop, events) == {"discarded": events}
    assert shared_deployment.queries.newest(*generator.domain_shops) == {}
    assert shared_deployment.queries.missed(shop) == generator.newest


def test_a_worker_that_starts_while_off_discards_its_first_event(shared_deployment: SharedWorkerDeployment) -> None:
    generator = EventGenerator("boot", keys=KEYS)
    shared_deployment.pause("boot")
    assert shared_deployment.worker_program.stop() == 0
    shared_deployment.publish(generator.events_of_all_keys())
    assert shared_deployment.queue_depth() == KEYS
    shared_deployment.ensure_worker()
    shared_deployment.publish(generator.events_of_all_keys())
    check_all_discarded(shared_deployment, generator, 2 * KEYS)

    shared_deployment.resume("boot")
    shared_deployment.publish(generator.events_of_all_keys())
    shared_deployment.queries.wait_converged(generator)
    assert shared_deployment.queries.missed("boot") == {}


@pytest.fixture
def restarted(request: pytest.FixtureRequest, rabbitmq: Broker, postgres: Database) -> Iterator[str]:
    """The name of a service; running again in the end, whatever the test has done to it."""
    yield request.param
    rabbitmq.start()
    postgres.start()


@pytest.mark.parametrize("restarted", ["broker", "database"], indirect=True)
def test_off_survives_a_power_cut_of_the_services(
    shared_deployment: SharedWorkerDeployment, rabbitmq: Broker, postgres: Database, restarted: str
) -> None:
    generator = EventGenerator(f"cut-{restarted}", keys=KEYS)
    before = shared_deployment.pause(f"cut-{restarted}")
    if restarted == "broker":
        rabbitmq.kill()
        rabbitmq.start()
    else:
        postgres.stop_immediate()
        postgres.start()
    shared_deployment.publish(generator.events_of_all_keys())
    check_all_discarded(shared_deployment, generator, KEYS)
    assert shared_deployment.queries.rows("SELECT max(epoch) FROM switches") == [(before.epoch,)]


def test_a_pause_amid_a_full_prefetch_leaves_nothing_stuck_and_everything_accounted(
    shared_deployment: SharedWorkerDeployment,
) -> None:
    worker = psutil.Process(shared_deployment.worker_program.pid)
    generator = EventGenerator("amid", keys=10_000)
    shared_deployment.worker_program.send(signal.SIGSTOP)
    wait_until(lambda: worker.status() == psutil.STATUS_STOPPED, what="the worker to stand still")
    shared_deployment.publish(generator.events_of_all_keys())
    shared_deployment.worker_program.send(signal.SIGCONT)
    wait_until(lambda: shared_deployment.queries.outcomes("amid")["applied"], what="the first to be applied")
    reply = shared_deployment.pause("amid")
    [(_, seen)] = shared_deployment.queries.table_states(generator.domain_shops).items()

    outcomes = shared_deployment.queries.wait_accounted("amid", generator.keys)
    shared_deployment.wait_empty()
    applied, missed = (
        shared_deployment.queries.newest(*generator.domain_shops),
        shared_deployment.queries.missed("amid"),
    )
    assert shared_deployment.queries.table_states(generator.domain_shops) == {generator.domain_shops[0]: seen}
    assert seen.applied_at is not None
    assert seen.applied_at < reply.effective_at
    assert applied | missed == generator.newest
    assert outcomes == {"applied": len(applied), "discarded": len(missed)}
    assert applied.keys().isdisjoint(missed)
    assert len(missed) > 0


def test_switching_off_one_shop_or_one_domain_leaves_the_others_alone(
    shared_deployment: SharedWorkerDeployment,
) -> None:
    generator = EventGenerator("here", "there", domains=("stock", "products"), keys=KEYS)
    shared_deployment.pause("here", "stock")
    shared_deployment.publish(generator.events_of_all_keys())
    applied = {key: version for key, version in generator.newest.items() if key[:2] != ("stock", "here")}
    wait_until(
        lambda: shared_deployment.queries.newest(*generator.domain_shops) == applied,
        what="three of four to be applied",
    )
    shared_deployment.queries.wait_accounted("here", 2 * KEYS)
    assert shared_deployment.queries.missed("here", "there").keys() == generator.newest.keys() - applied.keys()
    assert shared_deployment.resume("here", "stock").still_off == []
