"""Sessions with the broker until `stop` is set: reconnect with backoff and jitter, one log line a change."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import kombu
import structlog
from tenacity import RetryCallState

from broker.connection import (
    HEARTBEAT,
    BrokerLost,
    ConsumerCancelled,
    login_refused,
    masked,
    node_of,
    open_connection,
    release,
)
from broker.declare import DeclareFault, declare, declare_queues, report_lost_queues
from broker.pulse import Pulse
from broker.retry import failure, retry_until
from schemas.topology import Queue

__all__ = ["Session", "keep_session"]

log = structlog.get_logger(__name__)

_LONGEST_WAIT = 10.0
_DELETION_SECONDS = 1.0
# A queue that the broker refuses is tried again after so long, on a new connection.
_REFUSED_SECONDS = 60.0


@dataclass
class Session:
    """One connection, and the queues that can be consumed on it."""

    name: str
    connection: kombu.Connection
    queues: Sequence[str]
    # Shared by the sessions of one loop, so that each refusal is logged once.
    reported: dict[str, str] = field(default_factory=dict)
    _over_at: float | None = None

    def refuse(self, refused: Mapping[str, str]) -> None:
        """Report queues that the broker does not let this session consume; the others are consumed all the same."""
        for queue, error in refused.items():
            self._over_at = time.monotonic() + _REFUSED_SECONDS
            if self.reported.get(queue) != error:
                self.reported[queue] = error
                log.error("queue can't be consumed; run `comporta doctor`", session=self.name, queue=queue, error=error)

    def is_over(self) -> bool:
        """Return whether it is time to try the refused queues again."""
        return self._over_at is not None and time.monotonic() >= self._over_at


def keep_session(
    url: str,
    name: str,
    queues: Sequence[str],
    stop: threading.Event,
    consume: Callable[[Session], None],
    heartbeat: int = HEARTBEAT,
    further: Callable[[], Sequence[Queue]] = tuple,
) -> None:
    """Run `consume` in a session with the declared topology, and in a new one after each loss, until `stop`.

    `further` returns queues to declare besides. The broker and the session each give up the other after two `heartbeat`
    seconds without a sign of life.
    """
    connected = cancelled = False
    reported: dict[str, str] = {}
    while not stop.is_set():
        opened = _connect(url, name, queues if connected else (), stop, heartbeat, further, cancelled)
        if opened is None:
            return
        connection, faults = opened
        if not connected or not reported:
            event = "broker reconnected" if connected else "broker connected"
            log.info(event, session=name, broker=masked(url), node=node_of(connection))
        connected = True
        mismatched = {queue: faults[queue].text for queue in queues if queue in faults and faults[queue].mismatch}
        session = Session(name, connection, [queue for queue in queues if queue not in mismatched], reported)
        session.refuse(mismatched)
        cancelled = False
        try:
            consume(session)
        except BrokerLost as error:
            cancelled = isinstance(error, ConsumerCancelled)
            log.warning("broker connection lost", session=name, node=node_of(connection), error=str(error))
            release(connection, broken=True)
        finally:
            release(connection)


def _connect(
    url: str,
    name: str,
    consumed: Sequence[str],
    stop: threading.Event,
    heartbeat: int,
    further: Callable[[], Sequence[Queue]],
    cancelled: bool,
) -> tuple[kombu.Connection, dict[str, DeclareFault]] | None:
    def report(state: RetryCallState) -> None:
        error, wait = failure(state)
        cause = state.outcome.exception() if state.outcome else None
        refused = isinstance(cause, BrokerLost) and login_refused(cause)
        event = "broker refuses the login" if refused else "broker away"
        log.warning(event, session=name, broker=masked(url), error=error, next_try_seconds=wait)

    def attempt() -> tuple[kombu.Connection, dict[str, DeclareFault]]:
        connection = open_connection(url, name=name, heartbeat=heartbeat)
        try:
            # RabbitMQ 4 says that it has cancelled a consumer before the queue is gone.
            report_lost_queues(connection, consumed, seconds=_DELETION_SECONDS if cancelled else 0.0)
            Pulse(connection).ask()
            return connection, declare(connection) | declare_queues(connection, further())
        except BrokerLost:
            release(connection, broken=True)
            raise

    retrying = retry_until(stop, BrokerLost, longest=_LONGEST_WAIT, report=report)
    try:
        return retrying(attempt)
    except BrokerLost:
        return None
