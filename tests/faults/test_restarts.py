"""Restarts: processes that are killed again and again with good messages in hand cost none of them."""

from __future__ import annotations

import signal

import pytest

from schemas.topology import DEAD
from tests.support.event_generator import Event
from tests.support.programs import running_programs
from tests.support.services.broker import Broker
from tests.support.services.postgres import Database
from tests.support.wait import wait_until
from tests.support.worker_deployment import WorkerDeployment

# More than a message may be delivered before the broker takes it for a dead letter.
RESTARTS, MESSAGES = 25, 50


def test_twenty_five_processes_that_die_with_fifty_good_messages_quarantine_none(
    rabbitmq: Broker, postgres: Database, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with running_programs(tmp_path_factory.mktemp("restarts")) as programs:
        deployment = WorkerDeployment(rabbitmq, rabbitmq.new_vhost(), postgres.new_database(), programs)
        dying = deployment.faulty_worker("dies before the commit", 1)
        codes = [f"P{number}" for number in range(MESSAGES)]
        deployment.publish(Event("stock", "main", code, 1) for code in codes)
        assert dying.wait() == -signal.SIGKILL
        for _ in range(RESTARTS - 1):
            # A dead letter may end it before its other sessions are there.
            assert deployment.start_faulty_worker("dies before the commit", 1).wait() == -signal.SIGKILL
        assert rabbitmq.queue_depth(deployment.broker_url, DEAD) > 0, "none of them came to its second chance"
        deployment.worker()
        deployment.queries.wait_accounted("main", MESSAGES)
        applied = "SELECT count(*) FROM stock WHERE shop = 'main'"
        assert deployment.queries.rows(applied) == [(MESSAGES,)]
        assert deployment.queries.rows("SELECT reason, key FROM quarantine") == []
        wait_until(lambda: deployment.unsettled() == 0, what="every message to be settled")
