"""ERP over AMQP: reads orders and answers each with a receipt, as fast as it can."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import kombu
import orjson

from producers.messages import Fate, OutgoingMessage
from producers.publisher import Publisher
from schemas.receipts import INTERNALIZED
from schemas.topology import EVENTS, ORDERS_OUT

__all__ = ["main"]

_PREFETCH = 1_000
_BATCH_SECONDS = 0.005


def main() -> None:
    """Answer until terminated; print the count of answered orders."""
    url, answered = os.environ["COMPORTA_BROKER_URL"], 0
    waiting: list[Any] = []
    with Publisher(url, name="ERP") as publisher, kombu.Connection(url) as connection:
        queue = kombu.Queue(ORDERS_OUT, no_declare=True)
        with kombu.Consumer(connection, [queue], on_message=waiting.append, prefetch_count=_PREFETCH):
            while True:
                try:
                    connection.drain_events(timeout=_BATCH_SECONDS if waiting else 1.0)
                    full = len(waiting) >= _PREFETCH // 2
                except TimeoutError:
                    full = bool(waiting)
                if full:
                    if any(result.fate is not Fate.CONFIRMED for result in publisher.publish_all(_receipts(waiting))):
                        raise RuntimeError("a receipt was not confirmed")
                    waiting[-1].ack(multiple=True)
                    answered += len(waiting)
                    waiting.clear()
                    print(answered, flush=True)


def _receipts(orders: list[Any]) -> Iterator[OutgoingMessage]:
    for order in orders:
        document = orjson.loads(order.body)
        order_id = document["subject"]
        identity = f"receipt-{document['id']}"
        receipt = {
            "specversion": "1.0",
            "id": identity,
            "source": "/erp/bench",
            "type": INTERNALIZED,
            "time": document["time"],
            "data": {"order_id": order_id, "erp_number": order_id},
        }
        key = f"{order.delivery_info['routing_key']}.receipts"
        yield OutgoingMessage(EVENTS, key, orjson.dumps(receipt), identity)


if __name__ == "__main__":
    main()
