"""Event generator: changes of products and stock, with the state that a shop must show in the end."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count, islice
from types import TracebackType
from typing import Any, NamedTuple, Self

import amqp
from amqp.exceptions import AMQPError

from broker.connection import BrokerLost, open_connection
from broker.declare import declare
from schemas.topology import EVENTS
from tests.support.wait import wait_until

__all__ = ["BackgroundPublisher", "DomainShop", "Event", "EventGenerator", "EventPublisher", "TimedEvent", "event_body"]

DomainShop = tuple[str, str]
_CONFIRM_SECONDS = 15
_WRITTEN_AT_ONCE = 100


class Event(NamedTuple):
    """Change event with its version in its content too, so that a row shows which event it is from."""

    domain: str
    shop: str
    code: str
    version: int

    @property
    def body(self) -> bytes:
        """The CloudEvent."""
        return event_body(self.domain, _DATA[self.domain](self.code, self.version), self.version)


class TimedEvent(Event):
    """Change event that says when the change was made."""

    @property
    def body(self) -> bytes:
        return json.dumps({**json.loads(super().body), "time": "2026-11-23T07:22:51Z"}).encode()


def event_body(domain: str, data: dict[str, Any], version: int) -> bytes:
    """Build a changed event of a domain, with any data."""
    document = {
        "specversion": "1.0",
        "id": f"e{version:012}",
        "source": "/test",
        "type": f"erp.{domain.removesuffix('s')}.changed.v1",
        "sequence": str(version),
        "data": data,
    }
    return json.dumps(document).encode()


_DATA: dict[str, Callable[[str, int], dict[str, Any]]] = {
    "images": lambda code, version: {
        "product_code": code,
        "image_id": "1",
        "url": f"https://shop.example/{version}.jpg",
        "position": 0,
    },
    "products": lambda code, version: {"code": code, "name": str(version), "active": True, "base_unit": "UN"},
    "stock": lambda code, version: {
        "product_code": code,
        "branch": "1",
        "warehouse": "A",
        "on_hand": str(version),
        "unit": "UN",
        "as_of": "2026-01-01T00:00:00Z",
    },
}


class EventGenerator:
    """Endless round of shops, domains and keys; every event is newer than all before."""

    def __init__(self, *shops: str, domains: Sequence[str] = ("stock",), keys: int = 20) -> None:
        self.domain_shops: list[DomainShop] = [(domain, shop) for domain in domains for shop in shops]
        self.keys = keys
        self.newest: dict[tuple[str, str, str], int] = {}
        self._versions = count(1)

    def next_events(self, number: int) -> list[Event]:
        """Return the next so many events."""
        events = []
        for version in islice(self._versions, number):
            domain, shop = self.domain_shops[version % len(self.domain_shops)]
            code = f"p{version // len(self.domain_shops) % self.keys}"
            self.newest[domain, shop, code] = version
            events.append(Event(domain, shop, code, version))
        return events

    def events_of_all_keys(self) -> list[Event]:
        """Return a new event of every key."""
        return self.next_events(self.keys * len(self.domain_shops))


class EventPublisher:
    """Publisher at full speed; `publish` returns when the broker has confirmed everything.

    What is not confirmed when the connection breaks is published again, as a good ERP does.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._channel: Any = None
        self._unconfirmed: dict[int, Event] = {}

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def publish(self, events: Iterable[Event]) -> None:
        """Publish events as an ERP does."""
        left = list(events)
        while left:
            try:
                self._send(left)
                left = []
            except (BrokerLost, AMQPError, OSError):
                left = list(self._unconfirmed.values()) or left
                self._close()
                wait_until(self._opened, what="the broker to be back")

    def _send(self, events: Sequence[Event]) -> None:
        self._unconfirmed = dict(enumerate(events, self._sent + 1))
        for start in range(0, len(events), _WRITTEN_AT_ONCE):
            with _written_at_once(self._channel.connection.transport):
                for each in events[start : start + _WRITTEN_AT_ONCE]:
                    message = amqp.Message(each.body, content_type="application/cloudevents+json", delivery_mode=2)
                    self._sent += 1
                    self._channel.basic_publish(message, EVENTS, f"{each.shop}.{each.domain}")
        while self._unconfirmed:
            self._channel.connection.drain_events(timeout=_CONFIRM_SECONDS)

    def _open(self) -> None:
        self._connection = open_connection(self._url, name="test ERP")
        # An event that no queue takes is confirmed and gone.
        declare(self._connection)
        self._channel = self._connection.channel()
        self._channel.events["basic_ack"].add(self._confirmed)
        self._channel.confirm_select()
        self._sent = 0

    def _opened(self) -> bool:
        try:
            self._open()
        except (BrokerLost, AMQPError, OSError):
            return False
        return True

    def _close(self) -> None:
        try:
            self._connection.release()
        except (AMQPError, OSError):
            return  # It broke before.

    def _confirmed(self, tag: int, multiple: bool) -> None:
        for number in [number for number in self._unconfirmed if number <= tag] if multiple else [tag]:
            self._unconfirmed.pop(number, None)


@contextmanager
def _written_at_once(transport: Any) -> Iterator[None]:
    """Send what the block writes together: a call of the system for each message takes longer than the message."""
    write, written = transport._write, bytearray()
    transport._write = written.extend
    try:
        yield
    finally:
        transport._write = write
    transport.write(bytes(written))


class BackgroundPublisher:
    """Publisher of generated events in a thread of its own, for as long as the block lasts."""

    def __init__(self, url: str, generator: EventGenerator, *, per_turn: int = 50, pause: float = 0.02) -> None:
        self.published = 0
        self._url, self._generator, self._per_turn, self._pause = url, generator, per_turn, pause
        self._stop = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="test ERP", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(120)
        if self._error is not None and error is None:
            raise self._error

    def wait_confirmed(self, number: int) -> None:
        """Wait until so many events are confirmed."""
        wait_until(
            lambda: self.published >= number or self._error is not None,
            timeout=90,
            what=f"{number} events to be confirmed",
        )

    def _run(self) -> None:
        try:
            with EventPublisher(self._url) as publisher:
                while not self._stop.wait(self._pause):
                    publisher.publish(self._generator.next_events(self._per_turn))
                    self.published += self._per_turn
        except Exception as error:
            self._error = error
