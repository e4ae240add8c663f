"""Order steps for the state machine, and the choices at each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, NamedTuple, TypeVar

from consumers.delivery import Delivery
from storage.order_claims import ClaimedOrder

__all__ = [
    "CODES",
    "STEPS",
    "BatchSource",
    "Draw",
    "Key",
    "Receipt",
    "SentOrder",
    "one_of",
    "same_random",
    "some_orders",
    "step",
]

Key = tuple[str, str]
Draw = Callable[[Random], Any]
Method = TypeVar("Method", bound=Callable[..., None])

CODES = "wxyz"


class Receipt(NamedTuple):
    """Receipt of the model ERP: an order's number, or none if it is rejected."""

    key: Key
    identity: str
    number: str | None


class SentOrder(NamedTuple):
    """Order on its way, and its idempotency key."""

    order: ClaimedOrder
    identity: str

    @property
    def key(self) -> Key:
        """Key of the order."""
        return self.order.shop, self.order.order_id


class BatchSource(list[Delivery]):
    """Source that gives all it holds at once."""

    def receive(self, wait: float) -> list[Delivery]:
        return list(self)

    def settle(self, batch: Sequence[Delivery]) -> None:
        assert self == list(batch)
        self.clear()

    def keep_alive(self, seconds: float) -> None:
        raise AssertionError("the database is never away here")


STEPS: dict[str, tuple[str, dict[str, Draw]]] = {}


def step(needed: str = "", /, **given: Draw) -> Callable[[Method], Method]:
    """Mark a step that may be taken once there is something `needed`.

    Not a rule for itself: of many rules Hypothesis leaves some out of each example, and without a place or a claim
    an order has no life to follow.
    """

    def mark(method: Method) -> Method:
        STEPS[method.__name__] = needed, given
        return method

    return mark


def one_of(*options: Any) -> Draw:
    """Choose one of them, each as likely as the others: Hypothesis's own draws come back to the same few examples."""
    return lambda random: random.choice(options)


def same_random(random: Random) -> Random:
    """Return the generator, for a choice that depends on the state of the machine."""
    return random


def some_orders(random: Random) -> list[tuple[str, str, str]]:
    """Choose shops, ids and contents."""
    chosen = range(random.randint(1, 4))
    return [(random.choice("ab"), random.choice(CODES), random.choice(["", "changed"])) for _ in chosen]
