"""Failover on seven hosts, under a flow of events, pauses and orders."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.cluster_deployment import HostDeployment, running_deployment
from tests.support.event_generator import BackgroundPublisher, EventGenerator
from tests.support.failover_oracle import Oracle, Recovery
from tests.support.wait import wait_until

pytestmark = pytest.mark.timeout(400)
STOCK = "comporta.stock"
RESULTS = Path(__file__).parents[2] / "build" / "failover.jsonl"


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostDeployment]:
    with running_deployment(tmp_path_factory.mktemp("hosts")) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def oracle(deployment: HostDeployment) -> Oracle:
    return Oracle(deployment)


@contextmanager
def flow(oracle: Oracle, shop: str) -> Iterator[EventGenerator]:
    """Events and orders all the while; then everything that must hold is checked."""
    generator = EventGenerator(shop)
    oracle.place(3)
    with BackgroundPublisher(oracle.deployment.url(), generator, per_turn=20, pause=0.1) as erp:
        erp.wait_confirmed(100)
        yield generator
        oracle.place(3)
        _pause_holds(oracle, generator, erp)
    oracle.check(generator)


def _pause_holds(oracle: Oracle, generator: EventGenerator, erp: BackgroundPublisher) -> None:
    """Nothing is applied between the answer to a pause and its resume."""
    [(_, shop)] = generator.domain_shops
    oracle.pause(shop)
    before = oracle.applied(generator)
    erp.wait_confirmed(erp.published + 60)
    assert oracle.applied(generator) == before
    assert oracle.ask("resume", shop).result in {"on", "unchanged"}


def report(name: str, recovery: Recovery, most_events: float, most_pause: float) -> None:
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("a") as results:
        results.write(json.dumps({"case": name, **recovery._asdict()}) + "\n")
    assert recovery.events <= most_events
    assert recovery.pause <= most_pause


def measured(oracle: Oracle, fault: Callable[[], object], **lost: object) -> Recovery:
    began = time.monotonic()
    fault()
    return oracle.recovery(began, **lost)  # type: ignore[arg-type]


def test_the_doctor_tells_a_standby_that_may_lose_what_was_answered(deployment: HostDeployment) -> None:
    settings = {"broker_url": deployment.url(), "database_url": deployment.database_url}

    def said(text: str) -> bool:
        findings = deployment.places["work1"].run("doctor", "--json", **settings).json["findings"]
        return any(text in finding["says"] for finding in findings)

    wait_until(deployment.primary.is_synchronous, what="the standby to be synchronous")
    assert said("each commit waits for a standby")
    deployment.primary.set_synchronous("")
    wait_until(lambda: not deployment.primary.is_synchronous(), what="the standby to be asynchronous")
    assert said("a standby streams asynchronously")
    deployment.primary.set_synchronous("standby")
    wait_until(deployment.primary.is_synchronous, what="the standby to be synchronous")


def test_the_node_of_the_leader_is_killed(deployment: HostDeployment, oracle: Oracle) -> None:
    with flow(oracle, "killed-node"):
        node = deployment.leader(STOCK)
        recovery = measured(oracle, node.kill, lost=node)
        node.start()
    report("the leader's node is killed", recovery, 15, 5)


def test_the_node_of_the_leader_is_cut_off_silently(deployment: HostDeployment, oracle: Oracle) -> None:
    with flow(oracle, "cut-node"):
        node = deployment.leader(STOCK)
        recovery = measured(oracle, node.host.cut, lost=node)
        node.host.join()
    report("the leader's node is cut off silently", recovery, 30, 20)


def test_the_nodes_are_restarted_one_by_one(deployment: HostDeployment, oracle: Oracle) -> None:
    longest = Recovery(0, 0)
    with flow(oracle, "rolling"):
        for node in deployment.nodes:
            longest = Recovery(*map(max, longest, measured(oracle, node.stop, lost=node)))
            node.start()
    report("rolling restart, the longest of three", longest, 60, 60)


def test_the_host_of_a_worker_is_killed(deployment: HostDeployment, oracle: Oracle) -> None:
    with flow(oracle, "killed-worker"):
        recovery = measured(oracle, deployment.hosts["work1"].kill)
        deployment.hosts["work1"].join()
        deployment.start_worker("work1")
    report("a worker's host is killed", recovery, 60, 60)


def test_the_standby_is_promoted(deployment: HostDeployment, oracle: Oracle) -> None:
    wait_until(deployment.primary.is_synchronous, what="the standby to be synchronous")
    with flow(oracle, "promoted"):
        oracle.pause("stays-off")

        def fault() -> None:
            deployment.primary.host.kill()
            deployment.standby.promote()

        recovery = measured(oracle, fault)
        # What was answered before the fault is in force after it.
        assert oracle.ask("pause", "stays-off").result == "unchanged"
    report("the primary's host is killed, the standby promoted", recovery, 60, 60)
