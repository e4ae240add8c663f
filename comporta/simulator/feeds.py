"""Feeds of the demo: the ERP's changes, the shop's orders, and the ERP's receipts for them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush
from itertools import chain, count

import orjson

from broker.connection import open_connection, release
from broker.declare import declare
from broker.sync_publisher import SyncPublisher
from comporta.simulator.erp import SimulatedErp
from comporta.simulator.receipts import AnsweringErp
from comporta.simulator.shop import SimulatedShop
from comporta.simulator.traffic import paced
from consumers.source import BatchLimits, KombuSource
from producers.messages import OutgoingMessage
from schemas.topology import EVENTS, ORDERS_OUT

__all__ = ["Feeds", "answer_orders"]

_CHANGES_A_SECOND = 200.0
_ORDERS_A_SECOND = 2.0
_POLL_SECONDS = 0.05
_END_SECONDS = 5.0
_Loop = Callable[[], None]


class Feeds:
    """Feeds of changes, orders and receipts; `published` counts the messages of all three."""

    def __init__(self, url: str, erp: SimulatedErp, shop: SimulatedShop, answers: AnsweringErp) -> None:
        self._url = url
        self._erp = erp
        self._shop = shop
        self._answers = answers
        self._ending = threading.Event()
        self._ended = threading.Semaphore(0)
        self._lock = threading.Lock()
        self.published = 0

    def loops(self, stop: threading.Event) -> dict[str, _Loop]:
        """Return the loops by name, each for a thread of its own until `stop`; none sends anything after `end`."""
        feeds = {"erp": self._publish_changes, "shop": self._publish_orders, "answers": self._publish_receipts}
        return {name: self._until(stop, feed) for name, feed in feeds.items()}

    def end(self) -> None:
        """End the feeds; return when all have ended, or after 5 s for each."""
        self._ending.set()
        for _ in range(3):
            self._ended.acquire(timeout=_END_SECONDS)

    def _until(self, stop: threading.Event, feed: Callable[[SyncPublisher], None]) -> _Loop:
        def run() -> None:
            publisher = SyncPublisher(self._url, "simulation")
            feed(publisher)
            publisher.close()
            self._ended.release()
            stop.wait()

        return run

    def _publish_changes(self, publisher: SyncPublisher) -> None:
        changes = paced(self._erp.changes(), _CHANGES_A_SECOND, sleep=self._ending.wait)
        events = chain(self._erp.initial_load(), changes)
        self._publish(
            publisher, (OutgoingMessage(EVENTS, event.routing_key, event.body, event.event_id) for event in events)
        )

    def _publish_orders(self, publisher: SyncPublisher) -> None:
        self._publish(publisher, paced(self._shop.placed(), _ORDERS_A_SECOND, sleep=self._ending.wait))

    def _publish_receipts(self, publisher: SyncPublisher) -> None:
        for receipts in _receipts(self._url, self._answers, self._ending):
            self._publish(publisher, receipts)

    def _publish(self, publisher: SyncPublisher, messages: Iterable[OutgoingMessage]) -> None:
        for message in messages:
            if self._ending.is_set():
                return
            _send(publisher, message)
            with self._lock:
                self.published += 1


def answer_orders(url: str, answers: AnsweringErp, stop: threading.Event) -> None:
    """Answer the orders in `erp.orders` with receipts until `stop`."""
    publisher = SyncPublisher(url, "simulated ERP")
    for receipts in _receipts(url, answers, stop):
        for message in receipts:
            _send(publisher, message)
    publisher.close()


def _send(publisher: SyncPublisher, message: OutgoingMessage) -> None:
    publisher.publish(
        message.body,
        exchange=message.exchange,
        routing_key=message.routing_key,
        content_type=message.content_type,
    )


def _receipts(url: str, answers: AnsweringErp, stop: threading.Event) -> Iterator[Iterator[OutgoingMessage]]:
    """Read orders until `stop`; yield, at every poll, the receipts that are due."""
    connection = open_connection(url, name="simulated ERP")
    declare(connection)
    source = KombuSource(connection, [ORDERS_OUT], BatchLimits(batch_size=50, batch_ms=0))
    due: list[tuple[float, int, OutgoingMessage]] = []
    numbers = count(1)
    while not stop.is_set():
        orders = source.receive(_POLL_SECONDS)
        for order in orders:
            seconds, receipt = answers.react(orjson.loads(order.body)["data"]["order_id"])
            if receipt is not None:
                message = OutgoingMessage(EVENTS, f"{order.routing_key}.receipts", receipt, "")
                heappush(due, (time.monotonic() + seconds, next(numbers), message))
        yield _pop_due(due)
        if orders:
            source.settle(orders)
    release(connection)


def _pop_due(due: list[tuple[float, int, OutgoingMessage]]) -> Iterator[OutgoingMessage]:
    while due and due[0][0] <= time.monotonic():
        yield heappop(due)[2]
