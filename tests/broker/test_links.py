"""The way to the broker: TLS that is checked, queues that vanish, passwords that nobody sees."""

from __future__ import annotations

import threading
from collections.abc import MutableMapping
from typing import Any

import pytest

from broker.connection import BrokerLost, masked, open_connection, release
from tests.support.pipeline import Pipeline, stock_event
from tests.support.services.broker import Broker
from tests.support.wait import wait_until


def test_a_server_with_a_known_certificate_is_spoken_to_over_tls(
    rabbitmq: Broker, rabbitmq_pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, authority = rabbitmq.tls(rabbitmq_pipeline.url)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    rabbitmq_pipeline.publish(stock_event(1))
    secured_pipeline = Pipeline(url, rabbitmq_pipeline.database_url)
    secured_pipeline.publish(stock_event(2))
    with secured_pipeline.stepped_worker("stock") as worker:
        assert "TLS" in worker.connection.connection.transport.sock.version()
        worker.drain(2)
    assert secured_pipeline.outcomes() == {"applied": 1, "superseded": 1}
    secured_pipeline.close()


@pytest.mark.parametrize("stranger", ["authority", "host"])
def test_a_server_that_nobody_vouches_for_is_refused(
    rabbitmq: Broker, vhost: str, monkeypatch: pytest.MonkeyPatch, stranger: str
) -> None:
    url, authority = rabbitmq.tls(vhost)
    if stranger == "host":
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        url = url.replace("127.0.0.1", "localhost")
    with pytest.raises(BrokerLost, match="SSLCertVerificationError"):
        open_connection(url, name="test")


def test_a_wrong_password_is_told_without_it(vhost: str) -> None:
    with pytest.raises(BrokerLost) as lost:
        open_connection(vhost.replace("guest:guest", "guest:hunter2"), name="test")
    assert "hunter2" not in str(lost.value)
    assert "hunter2" not in masked(vhost.replace("guest:guest", "guest:hunter2"))


def test_a_deleted_queue_is_named_and_declared_anew(
    rabbitmq_pipeline: Pipeline, logs: list[MutableMapping[str, Any]]
) -> None:
    def said(event: str) -> list[MutableMapping[str, Any]]:
        return [entry for entry in list(logs) if entry["event"] == event]

    working = threading.Thread(target=rabbitmq_pipeline.worker("stock", batch_ms=20).run, daemon=True)
    working.start()
    wait_until(lambda: said("broker connected"), what="the worker to connect")
    connection = open_connection(rabbitmq_pipeline.url, name="test")
    connection.default_channel.queue_delete("comporta.stock")
    release(connection)
    [lost] = wait_until(lambda: said("broker connection lost"), what="the worker to notice")
    assert "comporta.stock" in lost["error"]
    wait_until(lambda: said("broker reconnected"), what="the worker to come back")
    [deleted] = said("queue was deleted, it is declared anew and empty; events may be lost")
    assert (deleted["queue"], deleted["log_level"]) == ("comporta.stock", "error")
    rabbitmq_pipeline.publish(stock_event(1))
    wait_until(lambda: rabbitmq_pipeline.outcomes() == {"applied": 1}, what="the event to be applied")
    rabbitmq_pipeline.stop.set()
    working.join(10)
    assert not working.is_alive()
    assert "guest:guest" not in str(logs)
