"""Latency of a pause: from the control message to its reply, while two workers are at full speed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import orjson
import pika

from bench.places import Place, Servers, accounted
from bench.processes import MeasurementFailed, await_consumers, running, wait_until
from bench.results import Figures, percentile
from schemas.control import Action, Reply
from schemas.topology import CONTROL

__all__ = ["Operator", "open_operator", "pause_to_reply"]

_REPLY_TO = "amq.rabbitmq.reply-to"
_REPLY_SECONDS = 30.0
# From a resume to the next pause, so that the workers apply at full speed again.
_FLOW_SECONDS = 0.1
_MOST_PAUSES = 60


def pause_to_reply(servers: Servers, backlog: int) -> Figures:
    """Pause and resume everything again and again until nine tenths of the backlog are applied."""
    with (
        servers.place(backlog) as place,
        running(place, "comporta", "worker", "--processes", "2") as children,
        place.query() as database,
        open_operator(place) as operator,
    ):
        await_consumers(place, children, 2)
        wait_until(lambda: accounted(database) > 0, "the first batch")
        pauses: list[float] = []
        while len(pauses) < _MOST_PAUSES and accounted(database) < 0.9 * backlog:
            time.sleep(_FLOW_SECONDS)
            pauses.append(1000 * operator.request("pause"))
            operator.request("resume")
    return {
        "pauses": len(pauses),
        "p50_ms": percentile(pauses, 0.50),
        "p99_ms": percentile(pauses, 0.99),
        "max_ms": max(pauses),
    }


class Operator:
    """Operator with one open connection, so that connecting is not measured."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self._replies: dict[str, bytes] = {}
        channel.basic_consume(_REPLY_TO, self._receive, auto_ack=True)

    def request(self, action: Action) -> float:
        """Pause or resume everything; return the seconds until the reply came."""
        body, correlation = orjson.dumps({"reason": "measuring the wait for the reply"}), str(uuid4())
        properties = pika.BasicProperties(
            content_type="application/json",
            delivery_mode=2,
            reply_to=_REPLY_TO,
            correlation_id=correlation,
            message_id=correlation,
        )
        started = time.perf_counter()
        self._channel.basic_publish(CONTROL, action, body, properties, mandatory=True)
        while correlation not in self._replies:
            self._channel.connection.process_data_events(time_limit=0.5)
            if time.perf_counter() - started > _REPLY_SECONDS:
                raise MeasurementFailed(f"no reply to a {action} within {_REPLY_SECONDS:g} s")
        seconds = time.perf_counter() - started
        reply = Reply.model_validate_json(self._replies.pop(correlation))
        if reply.result != ("off" if action == "pause" else "on"):
            raise MeasurementFailed(f"the reply to a {action} was {reply.result} ({reply.error})")
        return seconds

    def _receive(self, _channel: Any, _method: Any, properties: pika.BasicProperties, body: bytes) -> None:
        self._replies[properties.correlation_id] = body


@contextmanager
def open_operator(place: Place) -> Iterator[Operator]:
    connection = pika.BlockingConnection(pika.URLParameters(place.broker_url))
    try:
        yield Operator(connection.channel())
    finally:
        if connection.is_open:
            connection.close()
