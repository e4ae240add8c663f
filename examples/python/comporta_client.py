"""Client for publishing change events to Comporta: one file to copy. It needs pika alone: pip install pika

    client = ComportaClient("amqp://user:password@host:5672/vhost", shop="main")
    results = client.publish([Event("stock", "stock-18446", body), ...])

`publish` returns one result for each event, in order, once the broker has answered for all of them. An event whose
`reason` is None is confirmed: a queue keeps it. From the command line, with lines of DOMAIN, ID and JSON between tabs:

    python comporta_client.py URL FILE
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pika
from pika.exceptions import AMQPError, ChannelClosedByBroker

WINDOW = 500  # Events that wait for their confirm at a time.
SILENCE = 30  # Seconds without any confirm until the connection counts as lost.
ATTEMPTS = 5  # Connections in a row that confirm nothing.


@dataclass(frozen=True)
class Event:
    """An event as it is sent; the same change has the same id and the same body, however often it is sent."""

    domain: str
    id: str
    body: bytes


@dataclass(frozen=True)
class Result:
    """Result of an event, with the broker's reason; None means confirmed."""

    event: Event
    reason: str | None


class ComportaClient:
    """Publisher of one shop's events; for one thread."""

    def __init__(self, url: str, shop: str = "main") -> None:
        self._url, self._shop = url, shop

    def publish(self, events: Sequence[Event]) -> list[Result]:
        """Publish a batch; what is not confirmed when a connection is lost is sent again, the same to the letter."""
        reasons: dict[int, str | None] = {}
        failed, lost = 0, ""
        while len(reasons) < len(events) and failed < ATTEMPTS:
            if failed:
                time.sleep(2 ** (failed - 1))
            before = len(reasons)
            lost = _Attempt(self._url, self._shop, events, reasons).run()
            failed = failed + 1 if len(reasons) == before else 0
        gone = f"no answer from the broker in {ATTEMPTS} attempts: {lost}"
        return [Result(event, reasons.get(number, gone)) for number, event in enumerate(events)]


class _Attempt:
    """One connection: it sends what has no answer yet, and notes the answers in `reasons`."""

    def __init__(self, url: str, shop: str, events: Sequence[Event], reasons: dict[int, str | None]) -> None:
        self._events, self._reasons, self._shop = events, reasons, shop
        self._unsent = deque(number for number in range(len(events)) if number not in reasons)
        self._unanswered: dict[int, int] = {}  # Position of an event by its delivery tag.
        self._returned: set[str] = set()
        self._tag, self._lost, self._ends = 0, "", False
        parameters = pika.URLParameters(url)
        parameters.heartbeat = 30
        self._connection = pika.SelectConnection(parameters, self._connected, self._closed, self._closed)
        self._timer: object = None

    def run(self) -> str:
        """Return once every event has its answer, or why the connection was lost."""
        try:
            self._connection.ioloop.start()
        except (AMQPError, OSError) as error:
            self._lost = self._lost or repr(error)
        return self._lost

    def _connected(self, connection: pika.SelectConnection) -> None:
        self._watch()
        connection.channel(on_open_callback=self._opened)

    def _opened(self, channel: pika.channel.Channel) -> None:
        self._channel = channel
        channel.add_on_close_callback(self._refused)
        channel.add_on_return_callback(lambda _channel, _method, properties, _body: self._note_return(properties))
        channel.confirm_delivery(self._answered, lambda _ok: self._send())

    def _send(self) -> None:
        while self._unsent and len(self._unanswered) < WINDOW:
            number = self._unsent.popleft()
            event = self._events[number]
            properties = pika.BasicProperties("application/cloudevents+json", delivery_mode=2, message_id=event.id)
            self._tag += 1
            self._unanswered[self._tag] = number
            route = f"{self._shop}.{event.domain}"
            self._channel.basic_publish("erp.events", route, event.body, properties, mandatory=True)
        if not self._unanswered:
            self._end()

    def _note_return(self, properties: pika.BasicProperties) -> None:
        self._returned.add(properties.message_id)  # An event without a queue is returned first, and confirmed then.

    def _answered(self, frame: pika.frame.Method) -> None:
        tag, several = frame.method.delivery_tag, frame.method.multiple
        nacked = isinstance(frame.method, pika.spec.Basic.Nack)
        for each in [each for each in self._unanswered if each == tag or (several and each < tag)]:
            number = self._unanswered.pop(each)
            event = self._events[number]
            if nacked:
                self._reasons[number] = "nacked: the broker could not keep the event; look at its log"
            elif event.id in self._returned:
                self._reasons[number] = f"returned: no queue takes {self._shop}.{event.domain}; has Comporta run here?"
            else:
                self._reasons[number] = None
        self._watch()
        self._send()

    def _refused(self, _channel: pika.channel.Channel, error: Exception) -> None:
        if isinstance(error, ChannelClosedByBroker):
            for number in (*self._unanswered.values(), *self._unsent):
                self._reasons[number] = f"refused: {error.reply_text}; has Comporta run here?"
            self._end()

    def _watch(self) -> None:
        if self._timer is not None:
            self._connection.ioloop.remove_timeout(self._timer)
        self._timer = self._connection.ioloop.call_later(SILENCE, self._silent)

    def _silent(self) -> None:
        self._lost = f"no confirm within {SILENCE} s"
        self._connection.ioloop.stop()

    def _end(self) -> None:
        if not self._ends:
            self._ends = True
            self._connection.close()

    def _closed(self, _connection: pika.SelectConnection, error: object) -> None:
        if not self._ends:
            self._lost = repr(error)
        self._connection.ioloop.stop()


def main(arguments: list[str], write: Callable[[str], object] = print) -> int:
    """Publish the lines of a file; return 0 if all are confirmed, 1 if not, 2 for wrong usage."""
    if len(arguments) != 2:
        write("usage: python comporta_client.py URL FILE")
        return 2
    url, path = arguments
    with open(path, encoding="utf-8") as file:
        parts = (line.rstrip("\n").split("\t", 2) for line in file)
        events = [Event(domain, id, body.encode()) for domain, id, body in parts]
    results = ComportaClient(url).publish(events)
    failed = [result for result in results if result.reason is not None]
    for result in failed:
        print(f"NOT confirmed: {result.event.id}: {result.reason}", file=sys.stderr)
    write(f"confirmed: {len(results) - len(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
