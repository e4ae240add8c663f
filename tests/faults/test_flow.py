"""Things break while events flow: what the broker has confirmed converges, and every delivery is counted."""

from __future__ import annotations

import random
import signal

import pytest

from tests.support.event_generator import BackgroundPublisher, EventGenerator
from tests.support.services.broker import Broker
from tests.support.services.postgres import Database
from tests.support.wait import wait_until
from tests.support.worker_deployment import SharedWorkerDeployment

KEYS = 300


def check_converged(shared_deployment: SharedWorkerDeployment, generator: EventGenerator, events: int) -> None:
    """Waits until every event has an outcome and the tables show the newest of every key."""
    [(_, shop)] = generator.domain_shops
    shared_deployment.queries.wait_accounted(shop, events)
    shared_deployment.queries.wait_converged(generator)
    shared_deployment.wait_empty()
    outcomes = shared_deployment.queries.outcomes(shop)
    # Whatever is delivered again after it was committed is counted again, as superseded; nothing else.
    assert outcomes.keys() <= {"applied", "superseded"}
    assert len(generator.newest) <= outcomes["applied"] <= events <= outcomes.total()
    assert shared_deployment.queries.missed(shop) == {}


@pytest.mark.parametrize(
    ("fault", "counted_again"),
    [
        ("dies before the commit", False),
        ("dies between commit and acknowledgement", True),
        ("dies after the acknowledgement", False),
    ],
)
def test_what_a_killed_worker_held_is_taken_over_and_counted_again_only_if_it_was_committed(
    shared_deployment: SharedWorkerDeployment, fault: str, counted_again: bool
) -> None:
    dying = shared_deployment.faulty_worker(fault, 3)
    generator = EventGenerator(fault.replace(" ", "-"), keys=2000)
    shared_deployment.publish(generator.events_of_all_keys())
    assert dying.wait() == -signal.SIGKILL
    check_converged(shared_deployment, generator, generator.keys)
    outcomes = shared_deployment.queries.outcomes(generator.domain_shops[0][1])
    # Every key was told of once: it is applied once, however often it was delivered.
    assert outcomes["applied"] == generator.keys
    assert (outcomes["superseded"] > 0) is counted_again


def test_a_worker_killed_at_any_moment_loses_nothing(shared_deployment: SharedWorkerDeployment) -> None:
    victim = shared_deployment.worker()
    generator = EventGenerator("any-moment", keys=KEYS)
    with BackgroundPublisher(shared_deployment.broker_url, generator) as publisher:
        publisher.wait_confirmed(random.randrange(500, 3000))
        victim.send(signal.SIGKILL)
        assert victim.wait() == -signal.SIGKILL
        publisher.wait_confirmed(publisher.published + 500)
    check_converged(shared_deployment, generator, publisher.published)


def test_a_killed_broker_loses_nothing_that_it_has_confirmed(
    shared_deployment: SharedWorkerDeployment, rabbitmq: Broker
) -> None:
    generator = EventGenerator("broker-killed", keys=KEYS)
    losses = len(shared_deployment.worker_program.logged("broker connection lost", session="events"))
    with BackgroundPublisher(shared_deployment.broker_url, generator) as publisher:
        publisher.wait_confirmed(1000)
        rabbitmq.kill()
        try:
            shared_deployment.worker_program.wait_for("broker connection lost", session="events", times=losses + 1)
        finally:
            rabbitmq.start()
        publisher.wait_confirmed(publisher.published + 500)
    check_converged(shared_deployment, generator, publisher.published)
    wait_until(lambda: shared_deployment.unsettled() == 0, what="nothing to be held by anybody")


def test_a_database_that_is_cut_off_amid_the_flow_is_waited_for(
    shared_deployment: SharedWorkerDeployment, postgres: Database
) -> None:
    generator = EventGenerator("database-cut", keys=KEYS)
    times = len(shared_deployment.worker_program.logged("database away")) + 1
    with BackgroundPublisher(shared_deployment.broker_url, generator) as publisher:
        publisher.wait_confirmed(1000)
        postgres.stop_immediate()
        try:
            shared_deployment.worker_program.wait_for("database away", times=times)
        finally:
            postgres.start()
        publisher.wait_confirmed(publisher.published + 500)
    check_converged(shared_deployment, generator, publisher.published)


def test_short_cuts_of_the_way_to_the_broker_only_cost_repetitions(shared_deployment: SharedWorkerDeployment) -> None:
    generator = EventGenerator("network-cut", keys=KEYS)
    reconnected = len(shared_deployment.worker_program.logged("broker reconnected", session="events"))
    with BackgroundPublisher(shared_deployment.broker_url, generator) as publisher:
        for turn in range(3):
            publisher.wait_confirmed(publisher.published + 500)
            if turn == 1:
                # What it sends now is lost, acknowledgements included; what it is sent comes again.
                shared_deployment.proxy.freeze()
                publisher.wait_confirmed(publisher.published + 500)
            shared_deployment.proxy.cut()
            shared_deployment.proxy.resume()
            shared_deployment.worker_program.wait_for(
                "broker reconnected", session="events", times=reconnected + turn + 1
            )
    check_converged(shared_deployment, generator, publisher.published)


def test_a_silence_on_the_way_to_the_broker_costs_nothing_at_all(shared_deployment: SharedWorkerDeployment) -> None:
    generator = EventGenerator("network-frozen", keys=KEYS)
    lost = shared_deployment.worker_program.logged("broker connection lost")
    with BackgroundPublisher(shared_deployment.broker_url, generator) as publisher:
        publisher.wait_confirmed(500)
        shared_deployment.proxy.freeze()
        publisher.wait_confirmed(publisher.published + 1000)
        shared_deployment.proxy.resume()
        publisher.wait_confirmed(publisher.published + 500)
    check_converged(shared_deployment, generator, publisher.published)
    assert shared_deployment.queries.outcomes("network-frozen").total() == publisher.published
    assert shared_deployment.worker_program.logged("broker connection lost") == lost
