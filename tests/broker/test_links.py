"""The way to the broker: TLS that is checked, queues that vanish, passwords that nobody sees."""

from __future__ import annotations

import threading
from collections.abc import MutableMapping
from typing import Any

import pytest

from broker.connection import BrokerLost, masked, open_connection, release
from tests.support.pipeline import Pipeline, stock_event
from tests.support.services.rabbitmq import Broker
from tests.support.wait import wait_until


def test_a_server_with_a_known_certificate_is_spoken_to_over_tls(
    rabbitmq: Broker, rabbit_line: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, authority = rabbitmq.tls(rabbit_line.url)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    rabbit_line.publish(stock_event(1))
    secured = Pipeline(url, rabbit_line.database_url)
    secured.publish(stock_event(2))
    with secured.hand("stock") as hand:
        assert "TLS" in hand.connection.connection.transport.sock.version()
        hand.drain(2)
    assert secured.outcomes() == {"applied": 1, "superseded": 1}
    secured.close()


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
    rabbit_line: Pipeline, logs: list[MutableMapping[str, Any]]
) -> None:
    def said(event: str) -> list[MutableMapping[str, Any]]:
        return [entry for entry in list(logs) if entry["event"] == event]

    working = threading.Thread(target=rabbit_line.worker("stock", batch_ms=20).run, daemon=True)
    working.start()
    wait_until(lambda: said("broker connected"), what="the worker to connect")
    connection = open_connection(rabbit_line.url, name="test")
    connection.default_channel.queue_delete("comporta.stock")
    release(connection)
    [lost] = wait_until(lambda: said("broker connection lost"), what="the worker to notice")
    assert "comporta.stock" in lost["error"]
    wait_until(lambda: said("broker reconnected"), what="the worker to come back")
    [deleted] = said("queue was deleted, it is declared anew and empty; events may be lost")
    assert (deleted["queue"], deleted["log_level"]) == ("comporta.stock", "error")
    rabbit_line.publish(stock_event(1))
    wait_until(lambda: rabbit_line.outcomes() == {"applied": 1}, what="the event to be applied")
    rabbit_line.stop.set()
    working.join(10)
    assert not working.is_alive()
    assert "guest:guest" not in str(logs)
