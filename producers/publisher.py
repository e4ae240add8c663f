"""Publisher with confirms: results in order, a bounded window, one deadline (RabbitMQ, Publisher Confirms)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

from broker.connection import check_url, is_memory
from producers.memory import MemoryTransport
from producers.messages import OutgoingMessage, PublishResult
from producers.transport import PendingPublish, Transport

__all__ = ["Publisher"]


class Publisher:
    """Publisher with a connection and a thread of its own; many threads may call it.

    A message that is unconfirmed when the connection is lost is sent again, with the same `message_id`. A message
    without an answer `deadline` seconds after it was handed over is `UNKNOWN`: it may have arrived. One call has at
    most `window` messages or `window_bytes` bytes in flight.

    Raises `BrokerUrlError` for a URL that can't be used.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str = "publisher",
        deadline: float = 60.0,
        window: int = 2_000,
        window_bytes: int = 16 * 1024 * 1024,
    ) -> None:
        self._window = window
        self._window_bytes = window_bytes
        self._transport = _open_transport(check_url(url), name, deadline)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def state(self) -> str:
        """State of the connection: `connecting`, `open`, `blocked` or `closed`, with the reason."""
        return self._transport.state

    def publish(self, message: OutgoingMessage) -> PublishResult:
        """Publish one message and wait for its fate: one round trip each; `publish_all` is far faster."""
        [result] = self.publish_all([message])
        return result

    def publish_all(self, messages: Iterable[OutgoingMessage]) -> Iterator[PublishResult]:
        """Publish messages as they come; yield their results in the same order, as soon as they are known."""
        in_flight: deque[PendingPublish] = deque()
        size = 0
        for message in messages:
            pending = PendingPublish(message)
            size += len(message.body)
            in_flight.append(pending)
            self._transport.send(pending)
            while len(in_flight) >= self._window or size >= self._window_bytes:
                # Half of it at once: one by one, the two threads would wake each other for every message.
                in_flight[len(in_flight) // 2].wait(self._alive)
                in_flight[0].wait(self._alive)
                size -= len(in_flight[0].message.body)
                yield in_flight.popleft().result
            while in_flight and in_flight[0].fate is not None:
                size -= len(in_flight[0].message.body)
                yield in_flight.popleft().result
        while in_flight:
            in_flight[0].wait(self._alive)
            yield in_flight.popleft().result

    def close(self) -> None:
        """Close the connection; a caller that still waits for a result gets `UNKNOWN`."""
        self._transport.close()

    def _alive(self) -> bool:
        return self._transport.alive


def _open_transport(url: str, name: str, deadline: float) -> Transport:
    if is_memory(url):
        return MemoryTransport(url)
    # Loaded here: only this transport needs pika.
    from producers.rabbitmq import RabbitMQTransport

    return RabbitMQTransport(url, name=name, deadline=deadline)
