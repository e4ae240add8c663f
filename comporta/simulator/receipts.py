"""Receipts of a simulated ERP: most orders get a number, some late; some are rejected, some never answered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from random import Random
from typing import Any, NamedTuple

import orjson

from schemas.order_news import CANCEL_REFUSED, ERP_CANCELLED
from schemas.receipts import INTERNALIZED, REJECTED

__all__ = ["AnsweringErp", "Reaction"]

_REASONS = ("The customer's credit is used up.", "The price has changed.", "The product is blocked for sale.")


class Reaction(NamedTuple):
    """Receipt for an order and the delay before it, in seconds; `receipt` is None if the ERP never answers."""

    seconds: float
    receipt: bytes | None


class AnsweringErp:
    """ERP that answers orders; a seed and an order always give the same answer: a repeated order keeps its number."""

    def __init__(
        self,
        seed: int,
        *,
        slow: float = 0.1,
        rejected: float = 0.05,
        silent: float = 0.02,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._seed = seed
        self._slow = slow
        self._rejected = rejected
        self._silent = silent
        self._now = now

    def react(self, order_id: str) -> Reaction:
        """Return the answer to an order."""
        random = Random(f"{self._seed}/{order_id}")
        seconds = random.uniform(1, 4) if random.random() < self._slow else random.uniform(0.02, 0.2)
        chance = random.random()
        if chance < self._silent:
            return Reaction(seconds, None)
        if chance < self._silent + self._rejected:
            return Reaction(seconds, self._receipt(order_id, REJECTED, {"reason": random.choice(_REASONS)}))
        number = f"{random.randrange(10**8):08}"
        return Reaction(seconds, self._receipt(order_id, INTERNALIZED, {"erp_number": number}))

    def react_to_cancellation(self, order_id: str) -> Reaction:
        """Return the answer to the cancellation of an order: refused as often as orders are rejected."""
        random = Random(f"{self._seed}/{order_id}/cancel")
        seconds = random.uniform(0.02, 0.2)
        if random.random() < self._rejected:
            reason = {"reason": "The order has left the warehouse."}
            return Reaction(seconds, self._receipt(order_id, CANCEL_REFUSED, reason))
        return Reaction(seconds, self._receipt(order_id, ERP_CANCELLED, {}))

    def _receipt(self, order_id: str, kind: str, result: dict[str, Any]) -> bytes:
        return orjson.dumps(
            {
                "specversion": "1.0",
                "id": f"{kind}-{order_id}",
                "source": f"/erp/simulator/{self._seed}",
                "type": kind,
                "time": self._now().astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
                "subject": order_id,
                "data": {"order_id": order_id, **result},
            }
        )
