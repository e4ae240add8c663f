"""Control message consumer, on a connection and thread of its own, so that no backlog delays a pause."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import structlog

from broker.connection import BrokerLost
from broker.retry import retry_until
from consumers.delivery import Delivery, Source
from consumers.reconnect import Session, keep_session
from consumers.source import BatchLimits, KombuSource
from control.switchboard import Switchboard
from schemas.control import Action, Command, Reply, StatusDocument, parse_control
from schemas.reasons import Reason, Refused
from schemas.reply_to import may_reply_to
from schemas.topology import CONTROL
from storage.errors import RowRefused, Unavailable

__all__ = ["ControlConsumer", "Replies", "issued_at"]

log = structlog.get_logger(__name__)

_IDLE_SECONDS = 0.25
# The broker gives what a worker holds that hangs or is cut off to another one after twice as long.
_HEARTBEAT = 5
_FOREIGN_QUEUE = "reply_to names a queue that is not the sender's own: use direct reply-to, or an exclusive queue"
_ACTIONS: dict[str, Action] = {"pause": "pause", "resume": "resume"}


class Replies(Protocol):
    """A publisher of replies."""

    def reopen(self) -> None:
        """Open a connection, or a new one, so that the first reply does not wait for it."""

    def publish(self, body: bytes, *, exchange: str, routing_key: str, **properties: Any) -> None:
        """Publish one message; raises `BrokerLost`."""


@dataclass(frozen=True, slots=True)
class ControlConsumer:
    """A consumer of pause, resume and status messages, one at a time, each with a reply."""

    url: str
    switchboard: Switchboard
    status: Callable[[], StatusDocument]
    replies: Replies
    stop: threading.Event

    def run(self) -> None:
        """Consume until the stop event is set."""
        keep_session(self.url, "control", [CONTROL], self.stop, self._consume, _HEARTBEAT)

    def _consume(self, session: Session) -> None:
        self.replies.reopen()
        limits = BatchLimits(batch_size=1, batch_ms=0, prefetch=1)
        source = KombuSource(session.connection, session.queues, limits)
        session.refuse(source.refused)
        while not self.stop.is_set() and not session.is_over():
            self.step(source)

    def step(self, source: Source) -> int:
        """Obey one message, reply, and only then acknowledge it; return the number of settled messages."""
        began = time.monotonic()
        deliveries = source.receive(_IDLE_SECONDS)
        for delivery in deliveries:
            _refuse_late(delivery, time.monotonic() - began)
        for delivery in deliveries:
            reply = self._obey_when_available(source, delivery)
            if reply is None:
                return 0
            self._reply(delivery.properties, reply)
        source.settle(deliveries)
        return len(deliveries)

    def _obey_when_available(self, source: Source, delivery: Delivery) -> Reply | StatusDocument | None:
        retry = retry_until(self.stop, Unavailable, first=0.2, longest=5, sleep=source.keep_alive)
        try:
            return retry(self._obey, delivery)
        except RowRefused as error:
            action = delivery.routing_key if delivery.routing_key in _ACTIONS else "unknown"
            # A property is at fault, such as a message id with a NUL: it must not block the messages behind it.
            return retry(self.switchboard.refuse, action, f"invalid: {error}", source="amqp")
        except Unavailable as error:
            log.warning("control message stays with the broker: the database is unavailable", error=str(error))
            return None

    def _obey(self, delivery: Delivery) -> Reply | StatusDocument:
        properties, action = delivery.properties, _ACTIONS.get(delivery.routing_key)
        if delivery.routing_key == "status":
            return self.status()
        identity = {"message_id": properties.get("message_id"), "user_id": properties.get("user_id")}
        try:
            if action is None:
                error = "invalid: the routing key must be pause, resume or status"
                return self.switchboard.refuse("unknown", error, source="amqp", **identity)
            if not may_reply_to(properties.get("reply_to") or ""):
                raise Refused(Reason.ROUTING_KEY, "", _FOREIGN_QUEUE)
            message = parse_control(delivery.body)
            issued = message.issued_at or issued_at(properties)
        except Refused as refused:
            return self.switchboard.refuse(
                delivery.routing_key, f"invalid: {refused.refusal}", source="amqp", **identity
            )
        return self.switchboard.change(Command(action, message, "amqp", issued_at=issued, **identity))

    def _reply(self, properties: Mapping[str, Any], reply: Reply | StatusDocument) -> None:
        reply_to = properties.get("reply_to")
        if not reply_to:
            return
        if not may_reply_to(reply_to):
            log.warning("reply withheld", reply_to=reply_to, why=_FOREIGN_QUEUE)
            return
        correlation = {"correlation_id": properties["correlation_id"]} if properties.get("correlation_id") else {}
        try:
            self.replies.publish(reply.model_dump_json().encode(), exchange="", routing_key=reply_to, **correlation)
        except BrokerLost as error:
            # The change holds and is audited; the sender can read the status or repeat the message.
            log.warning("reply not delivered", reply_to=reply_to, error=str(error))


def _refuse_late(delivery: Delivery, stood: float) -> None:
    """Raise `BrokerLost` if this process stood still so long that the message may be obeyed elsewhere, or be expired.

    A process that goes on after a stop finds in its buffers what the broker gave it before.
    """
    expiration = str(delivery.properties.get("expiration") or "")
    limit = 2.0 * _HEARTBEAT
    if expiration.isdecimal():
        limit = min(limit, int(expiration) / 1000)
    if stood > limit + _IDLE_SECONDS:
        raise BrokerLost(f"this process stood still for {stood:.0f} s: control messages go back to the broker")


def issued_at(properties: Mapping[str, Any]) -> datetime | None:
    """Return the time of issue by AMQP's `timestamp`: the end of that second, since it holds whole seconds only.

    Raises `Refused` if it is no valid time: milliseconds, for example, lie beyond the year 9999.
    """
    stamp = properties.get("timestamp")
    if isinstance(stamp, datetime):
        stamp = stamp.replace(tzinfo=UTC).timestamp() if stamp.tzinfo is None else stamp.timestamp()
    if not isinstance(stamp, int | float):
        return None
    try:
        return datetime.fromtimestamp(int(stamp), UTC) + timedelta(seconds=1) - timedelta(microseconds=1)
    except (ValueError, OverflowError, OSError):
        raise Refused(Reason.TIME_FORMAT, "", "the property timestamp must be seconds since 1970") from None
