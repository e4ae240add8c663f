"""Order dispatcher: claims due orders, sends them to the ERP and records the responses; shops take turns."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import structlog

from broker.retry import retry_until
from producers.erp import ErpGateway
from rules.orders import ORDER_ATTEMPTS, DeliveryStatus, ErpResponse, OrderUpdate, after_attempt
from rules.throttle import Throttle
from storage.errors import RowRefused, Unavailable
from storage.order_claims import ClaimedOrder
from storage.order_queue import DeliveryRecord, Due, OrderQueue

__all__ = ["OrderDispatcher"]

log = structlog.get_logger(__name__)

# Polling beside the wake-ups: orders that another process accepted, retries that are due, leases that have ended.
_POLL_SECONDS = 0.25
# While answers are awaited, those that come this close together are recorded in one transaction.
_GATHER_SECONDS = 0.005
_STOP_SECONDS = 7.0


@dataclass
class OrderDispatcher:
    """Loop that claims, sends and records orders until `stop` is set, then waits for those in flight.

    An order that fails `attempts` times while others succeed is stuck.
    """

    order_queue: OrderQueue
    erp: ErpGateway
    stop: threading.Event
    in_flight: int = 32
    attempts: int = ORDER_ATTEMPTS
    wake: threading.Event = field(default_factory=threading.Event)
    _sending: dict[Future[ErpResponse], ClaimedOrder] = field(default_factory=dict)
    _throttles: dict[str, Throttle] = field(default_factory=dict)
    _stopped: frozenset[str] = frozenset()
    _next_shop: int = 0

    def run(self) -> None:
        """Run until `stop` is set and nothing is in flight, or the grace period is over."""
        while not self.stop.is_set():
            if self._is_idle() or not self.step():
                self.wake.wait(_POLL_SECONDS)
                self.wake.clear()
            elif not all(future.done() for future in self._sending):
                self.stop.wait(_GATHER_SECONDS)
        self._finish(_STOP_SECONDS)
        # An order that still hangs is not recorded: its lease ends by itself.
        self.erp.close()

    def _is_idle(self) -> bool:
        """Return whether there is nothing to record and nothing due, by one statement outside the fence."""
        if self._sending or self._stopped:
            return False
        try:
            return self.order_queue.is_empty()
        except (Unavailable, RowRefused):
            # The step tries again until the database answers.
            return False

    def step(self) -> int:
        """Record the responses that have come and send the orders that may be sent; return the number of both."""
        results = self._collect_responses()
        if not results and len(self._sending) >= self._slots:
            return 0
        # One transaction for both: a slot that a finished order frees is filled by the next order at once.
        claimed = self._retry_while_away(partial(self.order_queue.claim, self._share, results)) or []
        # Counted now and not when they were allowed: another worker may have claimed them first.
        for shop, number in Counter(order.shop for order in claimed).items():
            self._throttle(shop).sent(number, time.monotonic())
        sent = self.erp.send([(order.shop, order.order_id, order.payload) for order in claimed])
        self._sending.update(zip(sent, claimed, strict=True))
        for future in sent:
            future.add_done_callback(self._wake)
        return len(claimed) + len(results)

    @property
    def _slots(self) -> int:
        return self.in_flight * self.erp.concurrency_factor

    def _wake(self, _future: Future[ErpResponse]) -> None:
        self.wake.set()

    def _share(self, due: Due) -> list[tuple[str, int]]:
        """Divide the free slots among the shops, in turn."""
        now = time.monotonic()
        for shop in self._stopped - due.stopped:
            self._throttle(shop).slow_down(now)
        self._stopped = due.stopped
        free = self._slots - len(self._sending)
        if not due.open or free <= 0:
            return []
        self._next_shop += 1
        start = self._next_shop % len(due.open)
        shops = (*due.open[start:], *due.open[:start])[:free]
        busy: dict[str, int] = {}
        for order in self._sending.values():
            busy[order.shop] = busy.get(order.shop, 0) + 1
        # One shop alone never has all slots: the next shop to come finds one at once.
        limit = max(1, self._slots // 2 if len(due.open) > 1 else self._slots - 1)
        share = []
        for shop in shops:
            throttle = self._throttle(shop)
            allowed = throttle.allows(now, due.workers, untried=shop in due.untried)
            number = int(min(max(1, free // len(shops)), limit - busy.get(shop, 0), allowed))
            if number > 0:
                share.append((shop, number))
        return share

    def _collect_responses(self) -> list[DeliveryRecord]:
        """Return a record for each order whose response has come."""
        now = time.monotonic()
        finished = [future for future in self._sending if future.done()]
        return [self._record_of(self._sending.pop(future), future.result(), now) for future in finished]

    def _record_of(self, order: ClaimedOrder, response: ErpResponse, now: float) -> DeliveryRecord:
        throttle = self._throttle(order.shop)
        if response.status is DeliveryStatus.FAILED:
            first = order.history.since is None
            throttle.failed(now, first=first, retry_after=response.retry_after)
            log.warning("order not delivered", shop=order.shop, attempt=order.attempts, error=response.error)
        else:
            throttle.succeeded(now)
        since_success = None if throttle.succeeded_at is None else timedelta(seconds=now - throttle.succeeded_at)
        return order, partial(_update_after, order, response, since_success, self.attempts, random.random())

    def _finish(self, seconds: float) -> None:
        """Wait for the orders in flight, and record their responses."""
        deadline = time.monotonic() + seconds
        while self._sending and (left := deadline - time.monotonic()) > 0:
            wait(self._sending, timeout=left, return_when=FIRST_COMPLETED)
            if results := self._collect_responses():
                self._retry_while_away(partial(self.order_queue.record, results))

    def _throttle(self, shop: str) -> Throttle:
        return self._throttles.setdefault(shop, Throttle())

    def _retry_while_away(self, action: Callable[[], list[ClaimedOrder] | None]) -> list[ClaimedOrder] | None:
        retrying = retry_until(self.stop, Unavailable, first=0.2, longest=5)
        try:
            return retrying(action)
        except (Unavailable, RowRefused) as error:
            # An order that could not be recorded is sent again when its lease has ended, under the same id.
            log.warning("orders stay as they are", error=str(error))
            return None


def _update_after(
    order: ClaimedOrder,
    response: ErpResponse,
    since_success: timedelta | None,
    limit: int,
    chance: float,
    now: datetime,
) -> OrderUpdate:
    succeeded_at = None if since_success is None else now - since_success
    return after_attempt(response, order.attempts, now, chance, order.history, succeeded_at, limit)
