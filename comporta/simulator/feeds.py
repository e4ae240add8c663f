"""Feeds of the demo: the ERP's changes, the shop's orders, and the ERP's receipts for them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from itertools import chain

from broker.sync_publisher import SyncPublisher
from comporta.simulator.erp import SimulatedErp
from comporta.simulator.order_answers import OrderAnswers, publish_message
from comporta.simulator.receipts import AnsweringErp
from comporta.simulator.shop import SimulatedShop
from comporta.simulator.traffic import outgoing_event, paced
from producers.messages import OutgoingMessage

__all__ = ["Feeds"]

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
        self._publish(publisher, map(outgoing_event, events))

    def _publish_orders(self, publisher: SyncPublisher) -> None:
        self._publish(publisher, paced(self._shop.placed(), _ORDERS_A_SECOND, sleep=self._ending.wait))

    def _publish_receipts(self, publisher: SyncPublisher) -> None:
        OrderAnswers(self._url, self._answers, self._ending, lambda receipt: self._publish(publisher, [receipt])).run()

    def _publish(self, publisher: SyncPublisher, messages: Iterable[OutgoingMessage]) -> None:
        for message in messages:
            if self._ending.is_set():
                return
            publish_message(publisher, message)
            with self._lock:
                self.published += 1
