"""Things break while events flow: what the broker has confirmed converges, and every delivery is counted."""

from __future__ import annotations

import random
import signal

import pytest

from tests.support.event_generator import BackgroundPublisher, EventGenerator
from tests.support.services.postgres import Database
from tests.support.services.rabbitmq import Broker
from tests.support.wait import wait_until
from tests.support.worker_deployment import SharedWorkerDeployment

KEYS = 300


def check_converged(standing: SharedWorkerDeployment, erp: EventGenerator, events: int) -> None:
    """Waits until every event has an outcome and the tables show the newest of every key."""
    [(_, shop)] = erp.cells
    standing.look.wait_accounted(shop, events)
    standing.look.wait_converged(erp)
    standing.wait_empty()
    outcomes = standing.look.outcomes(shop)
    # Whatever is delivered again after it was committed is counted again, as superseded; nothing else.
    assert outcomes.keys() <= {"applied", "superseded"}
    assert len(erp.newest) <= outcomes["applied"] <= events <= outcomes.total()
    assert standing.look.missed(shop) == {}


@pytest.mark.parametrize(
    ("fault", "counted_again"),
    [
        ("dies before the commit", False),
        ("dies between commit and acknowledgement", True),
        ("dies after the acknowledgement", False),
    ],
)
def test_what_a_killed_worker_held_is_taken_over_and_counted_again_only_if_it_was_committed(
    standing: SharedWorkerDeployment, fault: str, counted_again: bool
) -> None:
    dying = standing.faulty_worker(fault, 3)
    erp = EventGenerator(fault.replace(" ", "-"), keys=2000)
    standing.publish(erp.tell_all())
    assert dying.wait() == -signal.SIGKILL
    check_converged(standing, erp, erp.keys)
    outcomes = standing.look.outcomes(erp.cells[0][1])
    # Every key was told of once: it is applied once, however often it was delivered.
    assert outcomes["applied"] == erp.keys
    assert (outcomes["superseded"] > 0) is counted_again


def test_a_worker_killed_at_any_moment_loses_nothing(standing: SharedWorkerDeployment) -> None:
    victim = standing.worker()
    erp = EventGenerator("any-moment", keys=KEYS)
    with BackgroundPublisher(standing.broker_url, erp) as flow:
        flow.reach(random.randrange(500, 3000))
        victim.send(signal.SIGKILL)
        assert victim.wait() == -signal.SIGKILL
        flow.reach(flow.published + 500)
    check_converged(standing, erp, flow.published)


def test_a_killed_broker_loses_nothing_that_it_has_confirmed(
    standing: SharedWorkerDeployment, rabbitmq: Broker
) -> None:
    erp = EventGenerator("broker-killed", keys=KEYS)
    losses = len(standing.running.said("broker connection lost", session="events"))
    with BackgroundPublisher(standing.broker_url, erp) as flow:
        flow.reach(1000)
        rabbitmq.kill()
        try:
            standing.running.wait_for("broker connection lost", session="events", times=losses + 1)
        finally:
            rabbitmq.start()
        flow.reach(flow.published + 500)
    check_converged(standing, erp, flow.published)
    wait_until(lambda: standing.unsettled() == 0, timeout=30, what="nothing to be held by anybody")


def test_a_database_that_is_cut_off_amid_the_flow_is_waited_for(
    standing: SharedWorkerDeployment, postgres: Database
) -> None:
    erp = EventGenerator("database-cut", keys=KEYS)
    times = len(standing.running.said("database away")) + 1
    with BackgroundPublisher(standing.broker_url, erp) as flow:
        flow.reach(1000)
        postgres.stop_immediate()
        try:
            standing.running.wait_for("database away", times=times)
        finally:
            postgres.start()
        flow.reach(flow.published + 500)
    check_converged(standing, erp, flow.published)


def test_short_cuts_of_the_way_to_the_broker_only_cost_repetitions(standing: SharedWorkerDeployment) -> None:
    erp = EventGenerator("network-cut", keys=KEYS)
    reconnected = len(standing.running.said("broker reconnected", session="events"))
    with BackgroundPublisher(standing.broker_url, erp) as flow:
        for turn in range(3):
            flow.reach(flow.published + 500)
            if turn == 1:
                # What it sends now is lost, acknowledgements included; what it is sent comes again.
                standing.proxy.freeze()
                flow.reach(flow.published + 500)
            standing.proxy.cut()
            standing.proxy.resume()
            standing.running.wait_for("broker reconnected", session="events", times=reconnected + turn + 1)
    check_converged(standing, erp, flow.published)


def test_a_silence_on_the_way_to_the_broker_costs_nothing_at_all(standing: SharedWorkerDeployment) -> None:
    erp = EventGenerator("network-frozen", keys=KEYS)
    lost = standing.running.said("broker connection lost")
    with BackgroundPublisher(standing.broker_url, erp) as flow:
        flow.reach(500)
        standing.proxy.freeze()
        flow.reach(flow.published + 1000)
        standing.proxy.resume()
        flow.reach(flow.published + 500)
    check_converged(standing, erp, flow.published)
    assert standing.look.outcomes("network-frozen").total() == flow.published
    assert standing.running.said("broker connection lost") == lost
