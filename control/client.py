"""Control requests over the broker: a control message, asked again until a running Comporta replies."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import uuid4

import pika
from pika.exceptions import (
    AMQPError,
    ChannelClosedByBroker,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
    UnroutableError,
)

from broker.address import BrokerAddress, read_url
from broker.nodes import report_failure, shuffled
from producers.errors import NoReply
from producers.pika_connection import connection_parameters
from rules.addresses import Host
from rules.certificates import certificate_remedy, tls_fault
from schemas.topology import CONTROL

__all__ = ["request"]

_NO_QUEUE_HINT = "has any worker run on this broker yet, and may this user write to comporta.control?"
_URL_HINT = "is COMPORTA_BROKER_URL right?"
_REPLY_TO = "amq.rabbitmq.reply-to"
# A worker that hangs keeps the message that it was given; the next one goes to another worker, over another node.
_ASK_AGAIN, _GROWTH, _LONGEST = 1.5, 1.3, 30.0
# After the loss of a connection.
_SOON = 0.5
_GRACE = 0.5
# Only the latest attempts still wait for their replies: with a long time limit there would be ever more.
_WAITING = 4
_TICK = 0.1
_HEARTBEAT = 5
_CONNECT_SECONDS = 5.0


class _Fault(NamedTuple):
    """Failure of an attempt; without a node it is one that no repetition mends."""

    text: str
    node: Host | None = None


def request(url: str, action: str, body: bytes, *, timeout: float, message_id: str | None = None) -> bytes:
    """Publish a control message and return the body of the reply; raises `NoReply` after `timeout` seconds.

    Without a reply it is published again under the same `message_id`, which makes the repetition harmless. A message
    that no worker has taken by the end expires, so that none obeys it after its sender has given up.
    """
    address = read_url(url)
    deadline = time.monotonic() + timeout
    asking = _Asking(address, action, body, message_id or str(uuid4()), deadline, shuffled(address.nodes))
    try:
        reply = asking.run()
    finally:
        asking.end()
    if reply is None:
        raise NoReply(
            f"no worker answered within {timeout:g} s, and the message has expired: is `comporta run` or "
            "`comporta worker` running? `comporta status` shows the current state"
        )
    return reply


def _is_unchanged(reply: bytes) -> bool:
    try:
        return bool(json.loads(reply)["result"] == "unchanged")
    except (ValueError, LookupError, TypeError):
        return False


@dataclass
class _Asking:
    """Attempts at one request, each on a connection and a thread of its own, so that none waits for a hung one."""

    address: BrokerAddress
    action: str
    body: bytes
    message_id: str
    deadline: float
    nodes: Sequence[Host]
    _results: queue.SimpleQueue[bytes | _Fault] = field(default_factory=queue.SimpleQueue)
    _ends: list[threading.Event] = field(default_factory=list)
    _unreached: dict[Host, str] = field(default_factory=dict)
    _connected: bool = False

    def run(self) -> bytes | None:
        """Return the first reply, None if there is none by the deadline; raises `NoReply` if asking is in vain."""
        pause, ask_at = _ASK_AGAIN, time.monotonic()
        repeat, until = None, self.deadline
        while (now := time.monotonic()) < until:
            if now >= ask_at:
                self._ask()
                ask_at, pause = now + pause, min(pause * _GROWTH, _LONGEST)
            try:
                result = self._results.get(timeout=max(0.0, min(ask_at, until) - now))
            except queue.Empty:
                continue
            if isinstance(result, bytes):
                if len(self._ends) == 1 or repeat is not None or not _is_unchanged(result):
                    return result
                # Said of a repetition: the reply of the attempt that was obeyed tells more, if it comes at all.
                repeat, until = result, min(until, time.monotonic() + _GRACE)
                ask_at = until
            elif repeat is None:
                ask_at = min(ask_at, time.monotonic() + self._wait_after(result))
        return repeat

    def end(self) -> None:
        """Let every attempt close its connection."""
        for ended in self._ends:
            ended.set()

    def _ask(self) -> None:
        for ended in self._ends[: 1 - _WAITING]:
            ended.set()
        # In turn: the worker may be well, and the node that gave it the message not.
        node = self.nodes[len(self._ends) % len(self.nodes)]
        self._ends.append(threading.Event())
        threading.Thread(target=self._attempt, args=(node, self._ends[-1]), name="control request", daemon=True).start()

    def _wait_after(self, fault: _Fault) -> float:
        """Return the seconds until the next attempt; raises `NoReply` if it would be in vain."""
        if fault.node is None:
            raise NoReply(fault.text)
        report_failure(fault.node)
        self._unreached[fault.node] = fault.text
        if len(self._unreached) < len(self.nodes):
            return 0.0
        if not self._connected:
            faults = "; ".join(f"{node}: {text}" for node, text in self._unreached.items())
            raise NoReply(f"the broker can't be reached ({faults}): {certificate_remedy(faults) or _URL_HINT}")
        return _SOON

    def _attempt(self, node: Host, ended: threading.Event) -> None:
        try:
            self._call(node, ended)
        except UnroutableError:
            self._results.put(_Fault(f"the broker has no queue for the message: {_NO_QUEUE_HINT}"))
        except ChannelClosedByBroker as error:
            self._results.put(_Fault(f"the broker refused the message ({error}): {_NO_QUEUE_HINT}"))
        except (ProbableAccessDeniedError, ProbableAuthenticationError) as error:
            self._results.put(_Fault(f"the broker refuses the login ({type(error).__name__}): {_URL_HINT}"))
        except (AMQPError, OSError) as error:
            self._results.put(_Fault(tls_fault(error) or type(error).__name__, node))

    def _call(self, node: Host, ended: threading.Event) -> None:
        parameters = connection_parameters(
            self.address, node, "control request", heartbeat=_HEARTBEAT, timeout=_CONNECT_SECONDS
        )
        connection = pika.BlockingConnection(parameters)
        self._connected = True
        try:
            replies = self._publish(connection.channel())
            while not (replies or ended.is_set()):
                connection.process_data_events(time_limit=_TICK)
            for reply in replies:
                self._results.put(reply)
        finally:
            if connection.is_open:
                connection.close()

    def _publish(self, channel: Any) -> list[bytes]:
        """Publish the message, and return the list to which the reply will be added."""
        replies: list[bytes] = []
        correlation = str(uuid4())

        def receive(_channel: Any, _method: Any, properties: pika.BasicProperties, reply: bytes) -> None:
            if properties.correlation_id == correlation:
                replies.append(reply)

        # With confirms, since a refusal would otherwise be noticed only with the next call.
        channel.confirm_delivery()
        channel.basic_consume(_REPLY_TO, receive, auto_ack=True)
        properties = pika.BasicProperties(
            content_type="application/json",
            delivery_mode=2,
            reply_to=_REPLY_TO,
            correlation_id=correlation,
            message_id=self.message_id,
            expiration=str(max(1, int((self.deadline - time.monotonic()) * 1000))),
        )
        channel.basic_publish(CONTROL, self.action, self.body, properties, mandatory=True)
        return replies
