"""Order answers: the receipts of a simulated ERP for what it reads from its queues, across losses of the broker."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from heapq import heappop, heappush
from itertools import count

import orjson

from broker.sync_publisher import SyncPublisher
from comporta.simulator.receipts import AnsweringErp, Reaction
from consumers.delivery import Delivery
from consumers.reconnect import Session, keep_session
from consumers.source import BatchLimits, KombuSource
from producers.messages import OutgoingMessage
from schemas.order_news import CANCEL_TO_ERP
from schemas.topology import EVENTS, ORDERS_OUT, orders_queue

__all__ = ["OrderAnswers", "answer_orders", "publish_message"]

_NAME = "simulated ERP"
_POLL_SECONDS = 0.05
_LIMITS = BatchLimits(batch_size=50, batch_ms=0)
Publish = Callable[[OutgoingMessage], None]


class OrderAnswers:
    """Loop that answers the orders in `erp.orders`, or in the queues of these shops, until `stop`.

    A receipt that the broker has not confirmed is published again after a loss of the connection: an order may be
    answered twice, with the same number.
    """

    def __init__(
        self, url: str, answers: AnsweringErp, stop: threading.Event, publish: Publish, shops: Sequence[str] = ()
    ) -> None:
        self._url = url
        self._answers = answers
        self._stop = stop
        self._publish = publish
        self._own = [orders_queue(shop) for shop in shops]
        self._due: list[tuple[float, int, OutgoingMessage]] = []
        self._numbers = count(1)

    def run(self) -> None:
        """Run until `stop` is set."""
        queues = [queue.name for queue in self._own] or [ORDERS_OUT]
        keep_session(self._url, _NAME, queues, self._stop, self._consume, further=lambda: self._own)

    def _consume(self, session: Session) -> None:
        source = KombuSource(session.connection, session.queues, _LIMITS)
        session.refuse(source.refused)
        while not self._stop.is_set() and not session.is_over():
            orders = source.receive(_POLL_SECONDS)
            for order in orders:
                self._react(order)
            while self._due and self._due[0][0] <= time.monotonic():
                self._publish(self._due[0][2])
                heappop(self._due)
            if orders:
                source.settle(orders)

    def _react(self, order: Delivery) -> None:
        document = orjson.loads(order.body)
        order_id = document["data"]["order_id"]
        # A queue of a shop is reached through the default exchange, by its name.
        shop = order.routing_key.removeprefix(f"{ORDERS_OUT}.")
        reaction: Reaction = (
            self._answers.react_to_cancellation(order_id)
            if document["type"] == CANCEL_TO_ERP
            else self._answers.react(order_id)
        )
        if reaction.receipt is not None:
            message = OutgoingMessage(EVENTS, f"{shop}.receipts", reaction.receipt, "")
            heappush(self._due, (time.monotonic() + reaction.seconds, next(self._numbers), message))


def answer_orders(url: str, answers: AnsweringErp, stop: threading.Event, shops: Sequence[str] = ()) -> None:
    """Answer the orders in `erp.orders`, or in the queues of these shops, with receipts until `stop`."""
    publisher = SyncPublisher(url, _NAME)
    try:
        OrderAnswers(url, answers, stop, partial(publish_message, publisher), shops).run()
    finally:
        publisher.close()


def publish_message(publisher: SyncPublisher, message: OutgoingMessage) -> None:
    """Publish a message and wait for the confirm. Raises `BrokerLost`."""
    publisher.publish(
        message.body,
        exchange=message.exchange,
        routing_key=message.routing_key,
        content_type=message.content_type,
    )
