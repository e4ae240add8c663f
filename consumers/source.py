"""Source over kombu, from RabbitMQ (py-amqp) or the embedded broker: one channel a queue."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import kombu
from amqp.exceptions import AccessRefused, NotFound

from broker.connection import BrokerLost, ConsumerCancelled, translated
from broker.pulse import Pulse
from consumers.delivery import Delivery
from rules.batches import waiting_seconds

__all__ = ["BatchLimits", "KombuSource"]

# After a delivery, a gap this long means that no further one is on its way.
_GAP_SECONDS = 0.002
_BATCH_BYTES = 8 * 1024 * 1024
_TICK_SECONDS = 1.0
# Far below the 30 minutes after which RabbitMQ takes an unsettled delivery for lost.
_LONGEST_STARVED = 60.0
_new = tuple.__new__


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """Limits of one batch: at most `batch_size` deliveries, collected for at most `batch_ms` milliseconds.

    Within them the size of a batch follows the backlog (`rules.batches`).
    """

    batch_size: int = 500
    batch_ms: int = 20
    prefetch: int = 1000


class KombuSource:
    """Deliveries of several queues over one connection, each queue on a channel of its own, all in one thread.

    A thread and a connection for each queue were measured: they overlap the waits for the database, but a pause then
    waits for all their transactions, two to three times as long. Another process gives more throughput, without the
    shared interpreter lock. kombu's message classes are not used: they would decompress a body before its check.

    Deliveries of the queues in `last` only fill up batches that the others leave room in, and only every other one:
    what comes now and then is committed by itself, and waits for no full batch but the one that is under way. A batch
    of them alone has its turn when none was taken for so long that the broker could take them for lost.
    `refused` has the queues that the broker does not let this user consume, each with the broker's text.
    """

    def __init__(
        self, connection: kombu.Connection, queues: Sequence[str], limits: BatchLimits, last: Collection[str] = ()
    ) -> None:
        self._connection = connection
        self._limits = limits
        self._last = frozenset(last)
        self._buffer: list[Delivery] = []
        self._later: list[Delivery] = []
        self._later_since = 0.0
        # Whether the batch before had room that it left free.
        self._left_room = False
        self._bytes = 0
        self._last_size = 0
        self._ticked = time.monotonic()
        self._is_amqp = connection.supports_heartbeats
        self._pulse = Pulse(connection)
        self.refused: dict[str, str] = {}
        self._channels: dict[str, Any] = {}
        for queue in queues:
            self._open(queue)

    def receive(self, wait: float) -> Sequence[Delivery]:
        """Return a batch: a full one, one that has reached its time limit, or all that has arrived."""
        with translated():
            self._tick()
            if not self._buffer and not self._drain(0 if self._later else wait) and not self._later:
                self._last_size = 0
                return ()
            self._fill()
        return self._take()

    def settle(self, batch: Sequence[Delivery]) -> None:
        """Acknowledge the batch up to its last tag on each channel, or one by one on the embedded broker."""
        with translated():
            if not self._is_amqp:
                for delivery in batch:
                    self._channels[delivery.queue].basic_ack(delivery.tag)
                return
            for queue, tag in {delivery.queue: delivery.tag for delivery in batch}.items():
                self._channels[queue].basic_ack(tag, multiple=True)

    def keep_alive(self, seconds: float) -> None:
        """Read deliveries (as many as the prefetch allows) and send heartbeats for so many seconds."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            with translated():
                self._tick()
                if self._bytes < _BATCH_BYTES:
                    self._drain(min(left, _TICK_SECONDS))
                    continue
            time.sleep(min(left, _TICK_SECONDS))

    def _open(self, queue: str) -> None:
        """Consume a queue, or keep the broker's refusal: the other queues are consumed all the same."""
        try:
            self._channels[queue] = self._consume(queue)
        except BrokerLost as error:
            if not isinstance(error.__cause__, AccessRefused | NotFound):
                raise
            self.refused[queue] = str(error)

    def _consume(self, queue: str) -> Any:
        with translated():
            channel = self._connection.channel()
            # py-amqp would decode the body by the content encoding that the sender names.
            channel.auto_decode = False
            # Two batches in hand are enough of what waits for the others.
            most = min(self._limits.prefetch, 2 * self._limits.batch_size) if queue in self._last else None
            channel.basic_qos(0, most or self._limits.prefetch, False)
            receiver = self._on_amqp if self._is_amqp else self._on_memory
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
                    f"the broker has {queue} but does not allow consuming it; see the broker's log"
                ) from None
            return channel

    def _on_amqp(self, queue: str) -> _Receiver:
        return _Receiver(queue, self._adder(queue))

    def _adder(self, queue: str) -> Callable[[Delivery], None]:
        return self._add_later if queue in self._last else self._add

    def _on_memory(self, queue: str) -> Callable[[Any], None]:
        add = self._adder(queue)

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
            add(
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

    def _add(self, delivery: Delivery) -> None:
        self._buffer.append(delivery)
        self._bytes += len(delivery.body)

    def _add_later(self, delivery: Delivery) -> None:
        if not self._later:
            self._later_since = time.monotonic()
        self._later.append(delivery)
        self._bytes += len(delivery.body)

    def _take(self) -> list[Delivery]:
        size = self._limits.batch_size
        now = time.monotonic()
        starved = bool(self._later) and now - self._later_since >= _LONGEST_STARVED
        batch = [] if starved else self._buffer[:size]
        del self._buffer[: len(batch)]
        room = size - len(batch) if self._later else 0
        self._left_room = bool(room and batch) and not self._left_room
        if room and not self._left_room:
            batch += self._later[:room]
            del self._later[:room]
            self._later_since = now
        self._bytes -= sum([len(delivery.body) for delivery in batch])
        self._last_size = len(batch)
        return batch

    def _fill(self) -> None:
        """Collect the arrived deliveries, and wait for more while the backlog justifies it and they keep coming."""
        now = time.monotonic()
        deadline = now + self._limits.batch_ms / 1000
        wait_until = now + waiting_seconds(self._last_size, self._limits.batch_size, self._limits.batch_ms)
        while len(self._buffer) < self._limits.batch_size and self._bytes < _BATCH_BYTES and now < deadline:
            # What waits for the others fills up the batch: nothing more is waited for, but all that came is read.
            is_full = len(self._buffer) + len(self._later) >= self._limits.batch_size
            if not self._drain(0.0 if is_full else min(max(wait_until - now, 0.0), _GAP_SECONDS)):
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
        if self._is_amqp and now - self._ticked >= _TICK_SECONDS:
            self._ticked = now
            self._connection.heartbeat_check()
            self._pulse.beat()


class _Receiver:
    """Callback for the deliveries of one queue: as a message of py-amqp or, faster, in parts."""

    def __init__(self, queue: str, add: Callable[[Delivery], None]) -> None:
        self._queue = queue
        self._add = add

    def __call__(self, message: Any) -> None:
        info = message.delivery_info
        # py-amqp gives an empty body as text.
        body = message.body or b""
        self.take(info["delivery_tag"], body, info["routing_key"], info["redelivered"], message.properties)

    def take(self, tag: int, body: bytes, routing_key: str, redelivered: bool, properties: Mapping[str, Any]) -> None:
        """Buffer a delivery that the connection could take whole; it then calls this instead (`broker.reader`)."""
        # As `Delivery(…)`, which is a function in Python and costs three times as much.
        self._add(_new(Delivery, (self._queue, tag, body, routing_key, redelivered, properties)))


def _cancelled(consumer_tag: str) -> None:
    raise ConsumerCancelled(f"the broker cancelled the consumer of {consumer_tag}: its queue was deleted or has moved")
