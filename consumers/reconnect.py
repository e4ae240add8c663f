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
from schemas.partitions import Partitions, change_domain
from schemas.topology import Queue

__all__ = ["Session", "keep_session"]

log = structlog.get_logger(__name__)

_LONGEST_WAIT = 10.0
_DELETION_SECONDS = 1.0
# A queue that the broker refuses is tried again after so long, on a new connection.
_REFUSED_SECONDS = 60.0
# Partitions that another process leaves over are found so late.
_LOOK_SECONDS = 30.0


@dataclass
class Session:
    """One connection, and the queues that can be consumed on it; `left` are those among them that were partitions."""

    name: str
    connection: kombu.Connection
    queues: Sequence[str]
    # Shared by the sessions of one loop, so that each refusal is logged once.
    reported: dict[str, str] = field(default_factory=dict)
    left: Sequence[str] = ()
    left_over: Callable[[], Sequence[str]] = tuple
    _over_at: float | None = None
    _looked_at: float = field(default_factory=time.monotonic)

    def refuse(self, refused: Mapping[str, str]) -> None:
        """Report queues that the broker does not let this session consume; the others are consumed all the same."""
        self._report("queue can't be consumed; run `comporta doctor`", refused)

    def refuse_partitions(self, refused: Mapping[str, str]) -> None:
        """Report exchanges that can't be had; the domain's one queue gets its events meanwhile."""
        self._report("events are not spread over partitions; run `comporta doctor`", refused)

    def is_over(self) -> bool:
        """Return whether it is time to try the refused queues again, or other partitions are left over."""
        now = time.monotonic()
        if self._over_at is not None and now >= self._over_at:
            return True
        if now - self._looked_at < _LOOK_SECONDS:
            return False
        self._looked_at = now
        return set(self.left_over()) != set(self.left)

    def _report(self, event: str, refused: Mapping[str, str]) -> None:
        for name, error in refused.items():
            if name in self.left and "NotFound" in error:
                # An operator has deleted it, as one may.
                continue
            self._over_at = time.monotonic() + _REFUSED_SECONDS
            if self.reported.get(name) != error:
                self.reported[name] = error
                log.error(event, session=self.name, queue=name, error=error)


def keep_session(
    url: str,
    name: str,
    queues: Sequence[str],
    stop: threading.Event,
    consume: Callable[[Session], None],
    heartbeat: int = HEARTBEAT,
    further: Callable[[], Sequence[Queue]] = tuple,
    partitions: Partitions | None = None,
    left_over: Callable[[], Sequence[str]] = tuple,
) -> None:
    """Run `consume` in a session with the declared topology, and in a new one after each loss, until `stop`.

    `further` returns queues to declare besides. The session whose `partitions` are not None sets the routes of change
    events; it also consumes the queues of `left_over`, which were partitions. The broker and the session each give up
    the other after two `heartbeat` seconds without a sign of life.
    """
    connected = cancelled = False
    reported: dict[str, str] = {}
    while not stop.is_set():
        left = tuple(left_over())
        former = sorted({domain for queue in left if (domain := change_domain(queue))})

        def prepare(connection: kombu.Connection, former: Sequence[str] = former) -> dict[str, DeclareFault]:
            return declare(connection, partitions, former) | declare_queues(connection, further())

        opened = _connect(url, name, queues if connected else (), stop, heartbeat, prepare, cancelled)
        if opened is None:
            return
        connection, faults = opened
        if not connected or not reported:
            event = "broker reconnected" if connected else "broker connected"
            log.info(event, session=name, broker=masked(url), node=node_of(connection))
        connected = True
        mismatched = {queue: faults[queue].text for queue in queues if queue in faults and faults[queue].mismatch}
        consumed = [queue for queue in (*queues, *left) if queue not in mismatched]
        session = Session(name, connection, consumed, reported, left, left_over)
        session.refuse(mismatched)
        session.refuse_partitions(_unspread(partitions, faults))
        cancelled = False
        try:
            consume(session)
        except BrokerLost as error:
            cancelled = isinstance(error, ConsumerCancelled)
            log.warning("broker connection lost", session=name, node=node_of(connection), error=str(error))
            release(connection, broken=True)
        finally:
            release(connection)


def _unspread(partitions: Partitions | None, faults: Mapping[str, DeclareFault]) -> dict[str, str]:
    """Return the exchanges of partitions that the broker does not have, with its text."""
    names = [partitions.exchange(domain).name for domain in partitions.domains] if partitions else []
    return {name: faults[name].text for name in names if name in faults and faults[name].mismatch}


def _connect(
    url: str,
    name: str,
    consumed: Sequence[str],
    stop: threading.Event,
    heartbeat: int,
    prepare: Callable[[kombu.Connection], dict[str, DeclareFault]],
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
            return connection, prepare(connection)
        except BrokerLost:
            release(connection, broken=True)
            raise

    retrying = retry_until(stop, BrokerLost, longest=_LONGEST_WAIT, report=report)
    try:
        return retrying(attempt)
    except BrokerLost:
        return None
