"""Simulated shop: endless orders, with the faults of real shops."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from datetime import UTC
from itertools import accumulate, repeat
from random import Random

import orjson

from comporta.simulator.erp import Clock, ticking
from comporta.simulator.invalid import INVALID_ORDERS
from comporta.simulator.messages import Data, order_total
from producers.messages import OutgoingMessage
from schemas.orders import PLACED
from schemas.topology import ORDERS_IN

__all__ = ["SimulatedShop"]

_REPEATABLE = 256


class SimulatedShop:
    """Customers of one shop; the same seed, orders and clock give the same messages.

    Each new order is made of lines of a template in `orders`. `duplicates` is the share of steps that repeat a message,
    `bad` the share that send an invalid order, or an earlier order with other data. A shop that is started again beside
    its earlier orders needs a `first_number` above all that it has used.
    """

    def __init__(
        self,
        seed: int,
        shop: str,
        orders: Sequence[Data],
        *,
        duplicates: float = 0.02,
        bad: float = 0.005,
        clock: Clock | None = None,
        first_number: int = 1,
    ) -> None:
        if not orders:
            raise ValueError("without known orders there is nothing to make orders of")
        if min(duplicates, bad) < 0 or duplicates + bad > 1:
            raise ValueError("faults are probabilities: none below 0, and no more than 1 together")
        self._random = Random(seed)
        self._shop = shop
        self._seed = seed
        self._templates = orders
        self._clock = clock or ticking()
        self._number = first_number
        self._events = 0
        self._sent: deque[tuple[Data, OutgoingMessage]] = deque(maxlen=_REPEATABLE)
        self._steps = (self._place, self._repeat, self._send_invalid, self._change)
        # One in four of the bad ones is an earlier order with other data.
        self._shares = list(accumulate((max(0.0, 1 - duplicates - bad), duplicates, bad * 3 / 4, bad / 4)))

    def placed(self) -> Iterator[OutgoingMessage]:
        """Yield orders without end, each a message for the broker."""
        for _ in repeat(None):
            [step] = self._random.choices(self._steps, cum_weights=self._shares)
            yield step()

    def _place(self) -> OutgoingMessage:
        document = self._new()
        message = self._message(document, orjson.dumps(document))
        self._sent.append((document, message))
        return message

    def _repeat(self) -> OutgoingMessage:
        return self._random.choice(self._sent)[1] if self._sent else self._place()

    def _send_invalid(self) -> OutgoingMessage:
        document = self._new()
        return self._message(document, self._random.choice(INVALID_ORDERS).corrupt(document))

    def _change(self) -> OutgoingMessage:
        if not self._sent:
            return self._place()
        earlier = self._random.choice(self._sent)[0]["data"]
        document = self._event(earlier | {"notes": f"Changed after it was placed, {earlier['placed_at']}"})
        return self._message(document, orjson.dumps(document))

    def _new(self) -> Data:
        template = self._random.choice(self._templates)
        number = self._number
        self._number += 1
        identity = {"order_id": f"{self._seed}-{number:08}", "display_number": f"#{number}", "placed_at": self._now()}
        return self._event(template | identity | _sample(template, self._random))

    def _event(self, data: Data) -> Data:
        self._events += 1
        return {
            "specversion": "1.0",
            "id": f"{self._shop}-{data['order_id']}-{self._events}",
            "source": f"/shop/simulator/{self._seed}",
            "type": PLACED,
            "time": data["placed_at"],
            "subject": data["order_id"],
            "data": data,
        }

    def _message(self, document: Data, body: bytes) -> OutgoingMessage:
        return OutgoingMessage(ORDERS_IN, self._shop, body, document["id"])

    def _now(self) -> str:
        return self._clock().astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _sample(order: Data, random: Random) -> Data:
    """Return a random selection of an order's items, and their total."""
    items = order["items"]
    sample = [items[index] for index in sorted(random.sample(range(len(items)), random.randint(1, len(items))))]
    return {"items": sample, "total": f"{order_total(order | {'items': sample}):f}"}
