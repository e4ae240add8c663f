"""Receives over kombu, from RabbitMQ (py-amqp) or the embedded broker: one channel a queue."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import kombu

from broker.connection import BrokerLost, translated
from consumers.delivery import Delivery
from rules.batching import waiting_seconds

__all__ = ["BatchLimits", "KombuSource"]

# Once something has come, a pause this long means that no more is on its way.
_GAP_SECONDS = 0.002
_BATCH_BYTES = 8 * 1024 * 1024
_TICK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How much is taken at once: at most `batch_size` deliveries, or what came within `batch_ms` milliseconds.

    Both are bounds: how far a batch goes towards them follows the backlog (`rules.batching`).
    """

    batch_size: int = 500
    batch_ms: int = 20
    prefetch: int = 1000


class KombuSource:
    """Deliveries of several queues over one connection, each queue on a channel of its own, all in one thread.

    A thread and a connection for each queue were measured: they hide each other's waits for the database, but a pause
    then waits for all their transactions, two to three times as long. Who wants more throughput starts another
    process, which waits for no other's interpreter. The message classes of kombu are passed by: they would inflate
    a compressed body before anyone looked.
    """

    def __init__(self, connection: kombu.Connection, queues: Sequence[str], intake: BatchLimits) -> None:
        self._connection = connection
        self._intake = intake
        self._buffer: list[Delivery] = []
        self._bytes = 0
        self._last = 0
        self._ticked = time.monotonic()
        self._real = connection.supports_heartbeats
        self._channels = {queue: self._consume(queue) for queue in queues}

    def receive(self, wait: float) -> Sequence[Delivery]:
        """A batch: full, as old as it may get, or all there is for now."""
        with translated():
            self._tick()
            if not self._buffer and not self._drain(wait):
                self._last = 0
                return ()
            self._fill()
        return self._take()

    def settle(self, batch: Sequence[Delivery]) -> None:
        """Acknowledges the batch: up to its last tag on each channel, one by one where `multiple` is unknown."""
        with translated():
            if not self._real:
                for delivery in batch:
                    self._channels[delivery.queue].basic_ack(delivery.tag)
                return
            for queue, tag in {delivery.queue: delivery.tag for delivery in batch}.items():
                self._channels[queue].basic_ack(tag, multiple=True)

    def keep_alive(self, seconds: float) -> None:
        """Reads on (prefetch bounds how much) and sends heartbeats for so long."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            with translated():
                self._tick()
                if self._bytes < _BATCH_BYTES:
                    self._drain(min(left, _TICK_SECONDS))
                    continue
            time.sleep(min(left, _TICK_SECONDS))

    def _consume(self, queue: str) -> Any:
        with translated():
            channel = self._connection.channel()
            # py-amqp would turn the body into text by the sender's own content encoding.
            channel.auto_decode = False
            channel.basic_qos(0, self._intake.prefetch, False)
            receiver = self._on_amqp if self._real else self._on_memory
            try:
                channel.basic_consume(
                    queue=queue,
                    no_ack=False,
                    consumer_tag=queue,
                    callback=receiver(queue),
                    on_cancel=_cancelled,
                )
            except TimeoutError:
                raise BrokerLost(
                    f"the broker has {queue} but does not let it be consumed; see the broker's log"
                ) from None
            return channel

    def _on_amqp(self, queue: str) -> _Receiver:
        return _Receiver(queue, self._keep)

    def _on_memory(self, queue: str) -> Callable[[Any], None]:
        def receive(message: Any) -> None:
            body = message.body
            headers = dict(message.headers)
            if message.compression:
                headers["compression"] = message.compression
            properties = {
                **message.properties,
                "content_type": message.content_type,
                "content_encoding": message.content_encoding,
                "application_headers": headers,
            }
            self._keep(
                Delivery(
                    queue,
                    message.delivery_tag,
                    body.encode() if isinstance(body, str) else body,
                    message.delivery_info["routing_key"],
                    False,
                    properties,
                )
            )

        return receive

    def _keep(self, delivery: Delivery) -> None:
        self._buffer.append(delivery)
        self._bytes += len(delivery.body)

    def _take(self) -> list[Delivery]:
        size = self._intake.batch_size
        batch = self._buffer[:size]
        del self._buffer[:size]
        self._bytes -= sum([len(delivery.body) for delivery in batch])
        self._last = len(batch)
        return batch

    def _fill(self) -> None:
        """Takes what lies there, and waits for more while the backlog is worth it and more is on its way."""
        now = time.monotonic()
        oldest = now + self._intake.batch_ms / 1000
        patience = now + waiting_seconds(self._last, self._intake.batch_size, self._intake.batch_ms)
        while len(self._buffer) < self._intake.batch_size and self._bytes < _BATCH_BYTES and now < oldest:
            if not self._drain(min(max(patience - now, 0.0), _GAP_SECONDS)):
                return
            now = time.monotonic()

    def _drain(self, wait: float) -> bool:
        try:
            self._connection.drain_events(timeout=wait)
        except TimeoutError:
            return False
        return True

    def _tick(self) -> None:
        now = time.monotonic()
        if self._real and now - self._ticked >= _TICK_SECONDS:
            self._ticked = now
            self._connection.heartbeat_check()


class _Receiver:
    """Keeps what comes for one queue, be it as a message of py-amqp or, faster, in parts."""

    def __init__(self, queue: str, keep: Callable[[Delivery], None]) -> None:
        self._queue = queue
        self._keep = keep

    def __call__(self, message: Any) -> None:
        info = message.delivery_info
        # py-amqp gives an empty body as text.
        body = message.body or b""
        self.take(info["delivery_tag"], body, info["routing_key"], info["redelivered"], message.properties)

    def take(self, tag: int, body: bytes, routing_key: str, redelivered: bool, properties: Mapping[str, Any]) -> None:
        """What the connection calls instead, for a delivery that it could take whole."""
        self._keep(Delivery(self._queue, tag, body, routing_key, redelivered, properties))


def _cancelled(consumer_tag: str) -> None:
    raise BrokerLost(f"the broker cancelled the consumer of {consumer_tag}: its queue was deleted or has moved")
