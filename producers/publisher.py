"""Publishes at line rate, every message confirmed: results in order, a bounded window, one deadline."""

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
    """A connection of its own, kept up by a thread of its own; may be used by many threads.

    A message that the broker has not answered for when the connection is lost is sent again, with the same
    `message_id`. What has no answer `deadline` seconds after it was handed over is `UNKNOWN`: it may have arrived.
    At most `window` messages or `window_bytes` bytes a call are on their way at once.

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
        self._line = _line(check_url(url), name, deadline)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def state(self) -> str:
        """What the connection is doing: `connecting`, `open`, `blocked` or `closed`, with why."""
        return self._line.state

    def publish(self, message: OutgoingMessage) -> PublishResult:
        """Publishes one message and waits for its fate: a round trip each; `publish_all` is far faster."""
        [result] = self.publish_all([message])
        return result

    def publish_all(self, messages: Iterable[OutgoingMessage]) -> Iterator[PublishResult]:
        """Publishes messages as they come; gives their results in the same order, as they are known."""
        flying: deque[PendingPublish] = deque()
        size = 0
        for message in messages:
            flight = PendingPublish(message)
            size += len(message.body)
            flying.append(flight)
            self._line.send(flight)
            while len(flying) >= self._window or size >= self._window_bytes:
                # Half of it at once: one by one, the two threads would wake each other for every message.
                flying[len(flying) // 2].wait(self._alive)
                flying[0].wait(self._alive)
                size -= len(flying[0].message.body)
                yield flying.popleft().result
            while flying and flying[0].fate is not None:
                size -= len(flying[0].message.body)
                yield flying.popleft().result
        while flying:
            flying[0].wait(self._alive)
            yield flying.popleft().result

    def close(self) -> None:
        """Closes the connection; whoever still waits for a result gets `UNKNOWN`."""
        self._line.close()

    def _alive(self) -> bool:
        return self._line.alive


def _line(url: str, name: str, deadline: float) -> Transport:
    if is_memory(url):
        return MemoryTransport(url)
    # Only here: pika is loaded where it is used.
    from producers.rabbitmq import RabbitMQTransport

    return RabbitMQTransport(url, name=name, deadline=deadline)
