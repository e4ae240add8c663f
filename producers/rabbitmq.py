"""RabbitMQ transport: one thread, one connection, asynchronous confirms (RabbitMQ, Publisher Confirms)."""

from __future__ import annotations

import struct
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from itertools import takewhile
from typing import Any

import pika
import structlog
from pika.exceptions import AMQPError, ShortStringTooLong, UnsupportedAMQPFieldException
from tenacity import (
    RetryCallState,
    RetryError,
    Retrying,
    retry_if_exception_type,
    stop_when_event_set,
    wait_random_exponential,
)

from broker.address import masked, read_url
from broker.nodes import report_failure, shuffled
from producers.messages import Fate, OutgoingMessage
from producers.pika_connection import BufferedConnection, connection_parameters, error_text
from producers.transport import PendingPublish

__all__ = ["RabbitMQTransport"]

log = structlog.get_logger(__name__)

_TICK_SECONDS = 0.2
# After this long without an answer the connection counts as dead, early enough to try another before the deadline.
_LONGEST_SILENCE = 10.0
_CLOSE_SECONDS = 2.0
_LONGEST_WAIT = 5.0
_PUMP_MESSAGES = 500


class _Lost(Exception):
    """The connection ended before the broker answered for any message."""


class RabbitMQTransport:
    """Transport that sends messages in order, and settles each by the broker's answer or by the deadline."""

    def __init__(self, url: str, *, name: str, deadline: float) -> None:
        self._url = url
        self._deadline = deadline
        self._silence = min(_LONGEST_SILENCE, deadline / 3)
        self._address = read_url(url)
        self._name = name
        self._outbox: deque[PendingPublish] = deque()
        self._unsettled: dict[int, PendingPublish] = {}
        self._returned: dict[tuple[str, str, str], str] = {}
        self._state = "connecting"
        self._pump_scheduled = False
        self._closing = threading.Event()
        self._closing_since = 0.0
        self._lock = threading.Lock()
        self._connection: Any = None
        self._channel: Any = None
        self._tag = 0
        self._answered_any, self._close_reason = False, ""
        self._last_answer = 0.0
        self._thread = threading.Thread(target=self._run, name=f"publisher {name}", daemon=True)
        self._thread.start()

    @property
    def state(self) -> str:
        """State: `connecting`, `open`, `blocked` or `closed`, with the reason."""
        return self._state

    @property
    def alive(self) -> bool:
        """The thread runs."""
        return self._thread.is_alive()

    def send(self, pending: PendingPublish) -> None:
        """Queue a message for sending; any thread may call it."""
        self._outbox.append(pending)
        if not self._pump_scheduled:
            self._pump_scheduled = True
            self._call(self._pump)

    def close(self) -> None:
        """End the connection and the thread; messages in flight get `UNKNOWN`."""
        self._closing_since = time.monotonic()
        self._closing.set()
        self._call(self._tick)
        self._thread.join(_CLOSE_SECONDS + 3)

    def _call(self, function: Any) -> None:
        # The only call that pika allows from another thread; the lock keeps the loop open during the call.
        with self._lock:
            if self._connection is not None:
                self._connection.ioloop.add_callback_threadsafe(function)

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                self._reconnect()
        finally:
            self._requeue_unsettled()
            self._state = "closed"
            for pending in self._outbox:
                pending.settle(Fate.UNKNOWN, "the publisher was closed")

    def _reconnect(self) -> None:
        """Connect until a connection has confirmed something and ended, or until the transport is closed."""
        retrying = Retrying(
            retry=retry_if_exception_type(_Lost),
            wait=wait_random_exponential(multiplier=0.2, max=_LONGEST_WAIT),
            stop=stop_when_event_set(self._closing),
            sleep=self._sleep,
            before_sleep=self._report,
        )
        with suppress(RetryError):
            retrying(self._serve)

    def _serve(self) -> None:
        """Run one connection from open to close; raise `_Lost` if the broker answered for nothing."""
        self._answered_any, self._close_reason = False, ""
        self._node = shuffled(self._address.nodes)[0]
        connection = BufferedConnection(
            connection_parameters(self._address, self._node, self._name),
            on_open_callback=self._on_open,
            on_open_error_callback=self._on_closed,
            on_close_callback=self._on_closed,
        )
        connection.add_on_connection_blocked_callback(self._on_blocked)
        connection.add_on_connection_unblocked_callback(self._on_unblocked)
        with self._lock:
            self._connection = connection
        try:
            connection.ioloop.call_later(_TICK_SECONDS, self._schedule_ticks)
            connection.ioloop.start()
        except (AMQPError, OSError, ValueError) as error:
            # What pika trips over when a connection is reset the moment it came about.
            self._state = f"connecting: {error_text(error)}"
        finally:
            with self._lock:
                self._connection = None
            connection.ioloop.close()
            self._requeue_unsettled()
            if not self._closing.is_set():
                report_failure(self._node)
        if not self._answered_any and not self._closing.is_set():
            raise _Lost(self._state)

    def _on_open(self, connection: BufferedConnection) -> None:
        connection.channel(on_open_callback=self._on_channel)

    def _on_channel(self, channel: Any) -> None:
        channel.add_on_close_callback(self._on_channel_closed)
        channel.add_on_return_callback(self._on_return)
        channel.confirm_delivery(self._on_confirm, callback=lambda _frame: self._on_ready(channel))

    def _on_ready(self, channel: Any) -> None:
        self._channel, self._tag, self._state = channel, 0, "open"
        self._connection.take_acks(channel.channel_number, self._on_acks)
        self._last_answer = time.monotonic()
        log.info("publisher connected", broker=masked(self._url), node=str(self._node))
        self._pump()

    def _pump(self) -> None:
        self._pump_scheduled = False
        if self._channel is None or self._state != "open":
            return
        connection = self._connection
        if not self._unsettled:
            self._last_answer = time.monotonic()
        with connection.buffered():
            for _ in range(min(len(self._outbox), _PUMP_MESSAGES)):
                pending = self._outbox.popleft()
                if pending.fate is None:
                    self._publish(pending)
        if self._outbox and not self._pump_scheduled:
            # Between two pumps the loop reads the confirms.
            self._pump_scheduled = True
            connection.ioloop.add_callback(self._pump)

    def _publish(self, pending: PendingPublish) -> None:
        try:
            self._connection.publish(pending.message)
        except (ShortStringTooLong, UnsupportedAMQPFieldException, ValueError, TypeError, struct.error) as error:
            # Nothing of it was written yet; the other messages in flight are not affected.
            pending.settle(Fate.NACKED, f"it is no AMQP message: {type(error).__name__}: {str(error)[:100]}")
            return
        self._tag += 1
        self._unsettled[self._tag] = pending

    def _on_confirm(self, frame: Any) -> None:
        method = frame.method
        self._answer(method.delivery_tag, method.multiple, isinstance(method, pika.spec.Basic.Ack))

    def _on_acks(self, acks: Sequence[tuple[int, bool]]) -> None:
        for tag, multiple in acks:
            self._answer(tag, multiple, True)

    def _answer(self, tag: int, multiple: bool, acked: bool) -> None:
        unsettled = self._unsettled
        self._answered_any, self._last_answer = True, time.monotonic()
        # Tags are issued in order, and a dict keeps that order; zero stands for all.
        tags = [*takewhile(lambda earlier: not tag or earlier <= tag, unsettled)] if multiple else [tag]
        for each in tags:
            if pending := unsettled.pop(each, None):
                self._settle(pending, acked)

    def _settle(self, pending: PendingPublish, acked: bool) -> None:
        message = pending.message
        # An unroutable message is returned and then acknowledged all the same.
        if self._returned and (why := self._returned.pop(_identity(message), None)):
            pending.settle(Fate.RETURNED, why)
        elif acked:
            pending.settle(Fate.CONFIRMED)
        else:
            pending.settle(Fate.NACKED, "the broker refused it: a queue is full or can't be written")

    def _on_return(self, _channel: Any, method: Any, properties: Any, _body: bytes) -> None:
        why = f"{method.reply_code} {method.reply_text}: no queue is bound for {method.routing_key}"
        self._returned[method.exchange, method.routing_key, properties.message_id] = why

    def _on_blocked(self, _connection: Any, frame: Any) -> None:
        self._state = f"blocked by the broker: {frame.method.reason}"
        log.warning("publisher blocked", broker=masked(self._url), reason=frame.method.reason)

    def _on_unblocked(self, _connection: Any, _frame: Any) -> None:
        self._state, self._last_answer = "open", time.monotonic()
        log.info("publisher unblocked", broker=masked(self._url))
        self._pump()

    def _on_channel_closed(self, _channel: Any, reason: Exception) -> None:
        self._channel = None
        if self._connection is not None and self._connection.is_open and not self._closing.is_set():
            self._close_reason = error_text(reason)
            self._connection.close()

    def _on_closed(self, connection: BufferedConnection, reason: Any) -> None:
        self._channel = None
        # If this transport ended the connection, `_close_reason` holds the reason.
        self._state = f"connecting: {self._close_reason or error_text(reason)}"
        connection.ioloop.stop()

    def _schedule_ticks(self) -> None:
        self._tick()
        if self._connection is not None:
            self._connection.ioloop.call_later(_TICK_SECONDS, self._schedule_ticks)

    def _tick(self) -> None:
        now, connection = time.monotonic(), self._connection
        self._expire(now)
        if connection is None:
            return
        if self._closing.is_set():
            if connection.is_open:
                connection.close()
            elif not connection.is_closing or now - self._closing_since > _CLOSE_SECONDS:
                connection.abandon(_Lost("closed"))
                connection.ioloop.stop()
        elif self._unsettled and self._state == "open" and now - self._last_answer > self._silence:
            self._close_reason = f"the broker was silent for {self._silence:g} s"
            connection.abandon(_Lost(self._close_reason))

    def _expire(self, now: float) -> None:
        """Settle as `UNKNOWN` the messages that were handed over before the deadline."""
        oldest = now - self._deadline
        for messages in (self._unsettled.values(), self._outbox):
            for pending in list(messages):
                if pending.submitted_at > oldest:
                    break
                pending.settle(Fate.UNKNOWN, f"not confirmed within {self._deadline:g} s; {self._state}")
        while self._outbox and self._outbox[0].fate is not None:
            self._outbox.popleft()

    def _requeue_unsettled(self) -> None:
        """Put the unconfirmed messages back at the head of the outbox, to be sent again."""
        self._channel = None
        self._returned.clear()
        self._outbox.extendleft(reversed(self._unsettled.values()))
        self._unsettled.clear()

    def _sleep(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and not self._closing.wait(min(left, _TICK_SECONDS)):
            self._expire(time.monotonic())

    def _report(self, state: RetryCallState) -> None:
        wait = round(state.upcoming_sleep, 1)
        log.warning(
            "publisher waits", broker=masked(self._url), node=str(self._node), state=self._state, next_try_seconds=wait
        )


def _identity(message: OutgoingMessage) -> tuple[str, str, str]:
    return message.exchange, message.routing_key, message.message_id
