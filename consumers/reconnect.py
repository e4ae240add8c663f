"""Reconnect to the broker until `stop` is set: exponential backoff with jitter, one log line a change."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import kombu
import structlog
from tenacity import RetryCallState

from broker.connection import BrokerLost, masked, open_connection, release
from broker.declare import declare, report_lost_queues
from broker.retry import failure, retry_until

__all__ = ["keep_session"]

log = structlog.get_logger(__name__)

_LONGEST_WAIT = 10.0


def keep_session(
    url: str,
    name: str,
    queues: Sequence[str],
    stop: threading.Event,
    consume: Callable[[kombu.Connection], None],
) -> None:
    """Run `consume` on a connection with the declared topology, and on a new one after each loss, until `stop`."""
    connected = False
    while not stop.is_set():
        connection = _connect(url, name, queues if connected else (), stop)
        if connection is None:
            return
        log.info("broker connected" if not connected else "broker reconnected", session=name, broker=masked(url))
        connected = True
        try:
            consume(connection)
        except BrokerLost as error:
            log.warning("broker connection lost", session=name, error=str(error))
            release(connection, broken=True)
        finally:
            release(connection)


def _connect(url: str, name: str, consumed: Sequence[str], stop: threading.Event) -> kombu.Connection | None:
    def report(state: RetryCallState) -> None:
        error, wait = failure(state)
        log.warning("broker away", session=name, broker=masked(url), error=error, next_try_seconds=wait)

    def attempt() -> kombu.Connection:
        connection = open_connection(url, name=name)
        try:
            report_lost_queues(connection, consumed)
            declare(connection)
        except BrokerLost:
            release(connection, broken=True)
            raise
        return connection

    retrying = retry_until(stop, BrokerLost, longest=_LONGEST_WAIT, report=report)
    try:
        return retrying(attempt)
    except BrokerLost:
        return None
