"""Off stays off: over restarts of the worker, the broker and the database, and with thousands waiting."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import psutil
import pytest

from tests.support.event_generator import EventGenerator
from tests.support.services.postgres import Database
from tests.support.services.rabbitmq import Broker
from tests.support.wait import wait_until
from tests.support.worker_deployment import SharedWorkerDeployment

KEYS = 40


def check_all_discarded(standing: SharedWorkerDeployment, erp: EventGenerator, events: int) -> None:
    """Waits until so many events have an outcome; all must be discarded and their keys missed."""
    [(_, shop)] = erp.cells
    assert standing.look.wait_accounted(shop, events) == {"discarded": events}
    assert standing.look.newest(*erp.cells) == {}
    assert standing.look.missed(shop) == erp.newest


def test_a_worker_that_starts_while_off_discards_its_first_event(standing: SharedWorkerDeployment) -> None:
    erp = EventGenerator("boot", keys=KEYS)
    standing.pause("boot")
    assert standing.running.stop() == 0
    standing.publish(erp.tell_all())
    assert standing.depth() == KEYS
    standing.ensure_worker()
    standing.publish(erp.tell_all())
    check_all_discarded(standing, erp, 2 * KEYS)

    standing.resume("boot")
    standing.publish(erp.tell_all())
    standing.look.wait_converged(erp)
    assert standing.look.missed("boot") == {}


@pytest.fixture
def restarted(request: pytest.FixtureRequest, rabbitmq: Broker, postgres: Database) -> Iterator[str]:
    """The name of a service; running again in the end, whatever the test has done to it."""
    yield request.param
    rabbitmq.start()
    postgres.start()


@pytest.mark.parametrize("restarted", ["broker", "database"], indirect=True)
def test_off_survives_a_power_cut_of_the_services(
    standing: SharedWorkerDeployment, rabbitmq: Broker, postgres: Database, restarted: str
) -> None:
    erp = EventGenerator(f"cut-{restarted}", keys=KEYS)
    before = standing.pause(f"cut-{restarted}")
    if restarted == "broker":
        rabbitmq.kill()
        rabbitmq.start()
    else:
        postgres.stop_immediate()
        postgres.start()
    standing.publish(erp.tell_all())
    check_all_discarded(standing, erp, KEYS)
    assert standing.look.rows("SELECT max(epoch) FROM switches") == [(before.epoch,)]


def test_a_pause_amid_a_full_prefetch_leaves_nothing_stuck_and_everything_accounted(
    standing: SharedWorkerDeployment,
) -> None:
    worker = psutil.Process(standing.running.pid)
    erp = EventGenerator("amid", keys=10_000)
    standing.running.send(signal.SIGSTOP)
    wait_until(lambda: worker.status() == psutil.STATUS_STOPPED, what="the worker to stand still")
    standing.publish(erp.tell_all())
    standing.running.send(signal.SIGCONT)
    wait_until(lambda: standing.look.outcomes("amid")["applied"], timeout=60, what="the first to be applied")
    reply = standing.pause("amid")
    [(_, seen)] = standing.look.seen(erp.cells).items()

    outcomes = standing.look.wait_accounted("amid", erp.keys)
    standing.wait_empty()
    applied, missed = standing.look.newest(*erp.cells), standing.look.missed("amid")
    assert standing.look.seen(erp.cells) == {erp.cells[0]: seen}
    assert seen.applied_at is not None
    assert seen.applied_at < reply.effective_at
    assert applied | missed == erp.newest
    assert outcomes == {"applied": len(applied), "discarded": len(missed)}
    assert applied.keys().isdisjoint(missed)
    assert len(missed) > 0


def test_switching_off_one_shop_or_one_domain_leaves_the_others_alone(standing: SharedWorkerDeployment) -> None:
    erp = EventGenerator("here", "there", domains=("stock", "products"), keys=KEYS)
    standing.pause("here", "stock")
    standing.publish(erp.tell_all())
    applied = {key: version for key, version in erp.newest.items() if key[:2] != ("stock", "here")}
    wait_until(lambda: standing.look.newest(*erp.cells) == applied, timeout=60, what="three of four to be applied")
    standing.look.wait_accounted("here", 2 * KEYS)
    assert standing.look.missed("here", "there").keys() == erp.newest.keys() - applied.keys()
    assert standing.resume("here", "stock").still_off == []
