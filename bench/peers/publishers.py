"""Publishers with confirms, one each run: URL PUBLISHER COUNT; prints the figures as JSON."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import aio_pika
import kombu
import orjson
import pika

from bench.backlog import CONTENT_TYPE
from bench.events import real_events
from comporta.runtime.logs import configure_logs
from comporta.simulator.messages import ErpMessage
from producers.messages import Fate, OutgoingMessage
from producers.publisher import Publisher
from schemas.topology import EVENTS

__all__ = ["main"]

Events = Sequence[ErpMessage]
_WINDOW = 2_000
_PERSISTENT = 2


def main(url: str, publisher: str, count: int) -> None:
    """Publish `count` events, all confirmed, and print the speed."""
    configure_logs("ERROR", "json")
    events = list(real_events(count))
    cpu, started = time.process_time(), time.perf_counter()
    confirmed = _PUBLISHERS[publisher](url, events)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    if confirmed != count:
        sys.exit(f"{confirmed} of {count} were confirmed")
    figures = {
        "events": count,
        "events_per_second": count / seconds,
        "cpu_us_per_event": 1e6 * cpu / count,
    }
    print(orjson.dumps(figures).decode())


def _ours(url: str, events: Events) -> int:
    messages = (OutgoingMessage(EVENTS, event.routing_key, event.body, event.event_id) for event in events)
    with Publisher(url) as publisher:
        return sum(result.fate is Fate.CONFIRMED for result in publisher.publish_all(messages))


def _properties(event: ErpMessage) -> pika.BasicProperties:
    return pika.BasicProperties(content_type=CONTENT_TYPE, delivery_mode=_PERSISTENT, message_id=event.event_id)


class _Bare:
    """Plain pika SelectConnection: a window of messages, refilled when half of it is confirmed."""

    def __init__(self, url: str, events: Events) -> None:
        self._events = events
        self._waiting: dict[int, ErpMessage] = {}
        self._next = self.confirmed = 0
        self.connection = pika.SelectConnection(
            pika.URLParameters(url),
            on_open_callback=lambda connection: connection.channel(on_open_callback=self._on_channel),
            on_close_callback=lambda connection, _reason: connection.ioloop.stop(),
        )

    def _on_channel(self, channel: Any) -> None:
        self._channel = channel
        channel.confirm_delivery(self._on_confirm, callback=lambda _frame: self._fill())

    def _fill(self) -> None:
        while self._next < len(self._events) and len(self._waiting) < _WINDOW:
            event = self._events[self._next]
            self._next += 1
            self._waiting[self._next] = event
            self._channel.basic_publish(EVENTS, event.routing_key, event.body, _properties(event), mandatory=True)

    def _on_confirm(self, frame: Any) -> None:
        tag = frame.method.delivery_tag
        confirmed = [earlier for earlier in self._waiting if earlier <= tag] if frame.method.multiple else [tag]
        for confirmed_tag in confirmed:
            del self._waiting[confirmed_tag]
        self.confirmed += len(confirmed)
        if self.confirmed == len(self._events):
            self._channel.connection.close()
        elif len(self._waiting) <= _WINDOW // 2:
            self._fill()


def _bare(url: str, events: Events) -> int:
    loop = _Bare(url, events)
    loop.connection.ioloop.start()
    return loop.confirmed


def _blocking(url: str, events: Events) -> int:
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.confirm_delivery()
    for event in events:
        channel.basic_publish(EVENTS, event.routing_key, event.body, _properties(event), mandatory=True)
    connection.close()
    return len(events)


def _kombu(url: str, events: Events) -> int:
    with kombu.Connection(url, transport_options={"confirm_publish": True}) as connection:
        producer = kombu.Producer(connection.channel())
        for event in events:
            producer.publish(
                event.body,
                exchange=EVENTS,
                routing_key=event.routing_key,
                content_type=CONTENT_TYPE,
                content_encoding="utf-8",
                delivery_mode=_PERSISTENT,
                message_id=event.event_id,
                mandatory=True,
            )
    return len(events)


async def _gathered(url: str, events: Events) -> int:
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel(publisher_confirms=True)
        exchange = await channel.get_exchange(EVENTS, ensure=False)
        for first in range(0, len(events), _WINDOW):
            window = events[first : first + _WINDOW]
            await asyncio.gather(*(exchange.publish(_message(event), event.routing_key) for event in window))
    return len(events)


def _message(event: ErpMessage) -> aio_pika.Message:
    return aio_pika.Message(
        event.body,
        content_type=CONTENT_TYPE,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        message_id=event.event_id,
    )


_PUBLISHERS: dict[str, Callable[[str, Events], int]] = {
    "ours": _ours,
    "bare": _bare,
    "blocking": _blocking,
    "kombu": _kombu,
    "aio-pika": lambda url, events: asyncio.run(_gathered(url, events)),
}

if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
