"""Takes waiting orders to the ERP: many in flight, shops in turn, nothing new behind a pause."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import structlog

from broker.retry import retry_until
from producers.erp import ErpGateway
from rules.orders import DeliveryStatus, ErpResponse, OrderUpdate, after_attempt
from rules.throttle import Throttle
from storage.errors import RowRefused, Unavailable
from storage.order_queue import ClaimedOrder, DeliveryRecord, Due, OrderQueue

__all__ = ["OrderDispatcher"]

log = structlog.get_logger(__name__)

# The net under the waking: what another process has accepted, what is due again, whose lease has ended.
_LOOK_SECONDS = 0.1
_STOP_SECONDS = 7.0


@dataclass
class OrderDispatcher:
    """Claims, sends and writes down, until told to stop; then it waits for what is in flight."""

    dispatch: OrderQueue
    erp: ErpGateway
    stop: threading.Event
    in_flight: int = 32
    wake: threading.Event = field(default_factory=threading.Event)
    _flying: dict[Future[ErpResponse], ClaimedOrder] = field(default_factory=dict)
    _paces: dict[str, Throttle] = field(default_factory=dict)
    _stopped: frozenset[str] = frozenset()
    _turn: int = 0

    def run(self) -> None:
        """Returns when told to stop and nothing is in flight, or its time is over."""
        while not self.stop.is_set():
            if not self.step():
                self.wake.wait(_LOOK_SECONDS)
                self.wake.clear()
        self._finish(_STOP_SECONDS)
        # What still hangs is not written down: its lease ends by itself.
        self.erp.close()

    def step(self) -> int:
        """Writes down what has an answer and sends what may be sent; returns how many orders were moved."""
        results = self._landed()
        if not results and len(self._flying) >= self._places:
            return 0
        # One transaction for both: a place that a landed order leaves is taken by the next in the same breath.
        claimed = self._patiently(partial(self.dispatch.claim, self._share, results)) or []
        sent = self.erp.send([(order.shop, order.order_id, order.payload) for order in claimed])
        self._flying.update(zip(sent, claimed, strict=True))
        for future in sent:
            future.add_done_callback(self._wake)
        return len(claimed) + len(results)

    @property
    def _places(self) -> int:
        return self.in_flight * self.erp.concurrency_factor

    def _wake(self, _future: Future[ErpResponse]) -> None:
        self.wake.set()

    def _share(self, due: Due) -> list[tuple[str, int]]:
        """The places that are free, over the shops in turn."""
        now = time.monotonic()
        for shop in self._stopped - due.stopped:
            self._pace(shop).slow_down(now)
        self._stopped = due.stopped
        free = self._places - len(self._flying)
        if not due.open or free <= 0:
            return []
        self._turn += 1
        start = self._turn % len(due.open)
        shops = (*due.open[start:], *due.open[:start])[:free]
        busy: dict[str, int] = {}
        for order in self._flying.values():
            busy[order.shop] = busy.get(order.shop, 0) + 1
        # One shop alone never has all: the next one to come finds a place at once.
        most = max(1, self._places // 2 if len(due.open) > 1 else self._places - 1)
        share = []
        for shop in shops:
            pace = self._pace(shop)
            number = int(min(max(1, free // len(shops)), most - busy.get(shop, 0), pace.allows(now, due.workers)))
            if number > 0:
                pace.sent(number)
                share.append((shop, number))
        return share

    def _landed(self) -> list[DeliveryRecord]:
        """What has an answer by now, and how to write it down."""
        now = time.monotonic()
        done = [future for future in self._flying if future.done()]
        return [self._judge(self._flying.pop(future), future.result(), now) for future in done]

    def _judge(self, order: ClaimedOrder, answer: ErpResponse, now: float) -> DeliveryRecord:
        pace = self._pace(order.shop)
        if answer.status is DeliveryStatus.FAILED:
            pace.failed(now)
            log.warning("order not delivered", shop=order.shop, attempt=order.attempts, error=answer.error)
        else:
            pace.succeeded()
        return order, partial(_after, answer, order.attempts, random.random())

    def _finish(self, seconds: float) -> None:
        """Waits for what is in flight, and writes it down."""
        deadline = time.monotonic() + seconds
        while self._flying and (left := deadline - time.monotonic()) > 0:
            wait(self._flying, timeout=left, return_when=FIRST_COMPLETED)
            if results := self._landed():
                self._patiently(partial(self.dispatch.record, results))

    def _pace(self, shop: str) -> Throttle:
        return self._paces.setdefault(shop, Throttle())

    def _patiently(self, action: Callable[[], list[ClaimedOrder] | None]) -> list[ClaimedOrder] | None:
        retrying = retry_until(self.stop, Unavailable, first=0.2, longest=5)
        try:
            return retrying(action)
        except (Unavailable, RowRefused) as error:
            # What could not be written down is sent again when its lease has ended, under the same id.
            log.warning("orders stay as they are", error=str(error))
            return None


def _after(answer: ErpResponse, attempts: int, chance: float, now: datetime) -> OrderUpdate:
    return after_attempt(answer, attempts, now, chance)
