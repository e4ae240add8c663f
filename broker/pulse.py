"""Pulse of a cluster's node: a question that only a majority of the nodes can answer."""

from __future__ import annotations

import time
from typing import Any

import kombu
import structlog
from amqp import spec
from amqp.exceptions import AccessRefused, NotFound, PreconditionFailed

from broker.connection import BrokerLost, in_cluster, translated

__all__ = ["PULSE_QUEUE", "Pulse"]

log = structlog.get_logger(__name__)

# Always empty. The broker deletes it an hour after the last question.
PULSE_QUEUE = "comporta.pulse"
_ARGUMENTS = {"x-queue-type": "quorum", "x-expires": 3_600_000}
_EVERY_SECONDS = 3.0
_PATIENCE = 5.0
# Shorter than the broker's heartbeats, each of which starts a wait for a frame anew.
_SLICE = 0.25


class Pulse:
    """Question to the leader of a quorum queue: for a message, which it gives only once a majority has agreed.

    A node that is cut off from the others keeps its connections, and answers heartbeats and passive declarations; its
    consumers get nothing. Only a node of several is asked: with one there is no other to go to.
    """

    def __init__(self, connection: kombu.Connection) -> None:
        self._connection = connection
        self._channel: Any = None
        self._asks = in_cluster(connection)
        self._asked = time.monotonic()

    def beat(self) -> None:
        """Ask if the last answer is some seconds old; raises `BrokerLost` if none comes."""
        if self._asks and time.monotonic() - self._asked >= _EVERY_SECONDS:
            self.ask()

    def ask(self, patience: float = _PATIENCE) -> None:
        """Ask, and wait for the answer; raises `BrokerLost` after `patience` seconds."""
        if not self._asks:
            return
        with translated():
            try:
                if self._channel is None:
                    self._channel = self._open()
                self._channel.send_method(spec.Basic.Get, "Bsb", (0, PULSE_QUEUE, True))
                self._await_answer(time.monotonic() + patience)
            except TimeoutError:
                raise BrokerLost(
                    f"no answer from the leader of {PULSE_QUEUE} within {patience:g} s: "
                    "this node seems to be cut off from the others"
                ) from None
            except (AccessRefused, NotFound) as error:
                self._asks = False
                log.warning(
                    "a node without majority would go unnoticed: this user may not use the queue that is asked",
                    queue=PULSE_QUEUE,
                    error=str(error.reply_text),
                )
        self._asked = time.monotonic()

    def _open(self) -> Any:
        try:
            channel = self._connection.channel()
            channel.queue_declare(PULSE_QUEUE, durable=True, auto_delete=False, arguments=_ARGUMENTS)
        except (AccessRefused, PreconditionFailed):
            # It may be there all the same, or have other properties: it can be asked.
            channel = self._connection.channel()
        return channel

    def _await_answer(self, deadline: float) -> None:
        while True:
            try:
                self._channel.wait([spec.Basic.GetOk, spec.Basic.GetEmpty], timeout=_SLICE)
            except TimeoutError:
                if time.monotonic() >= deadline:
                    raise
            else:
                return
