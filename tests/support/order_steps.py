"""What may befall an order, step by step, and what there is to choose at each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, NamedTuple, TypeVar

from consumers.delivery import Delivery
from storage.order_queue import ClaimedOrder

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
    """What the model ERP says of an order: its number, or none for a no."""

    key: Key
    identity: str
    number: str | None


class SentOrder(NamedTuple):
    """An order on its way, and the idempotency key it goes under."""

    order: ClaimedOrder
    identity: str

    @property
    def key(self) -> Key:
        """The order that it is."""
        return self.order.shop, self.order.order_id


class BatchSource(list[Delivery]):
    """A source that gives all it holds at once."""

    def receive(self, wait: float) -> list[Delivery]:
        return list(self)

    def settle(self, batch: Sequence[Delivery]) -> None:
        assert self == list(batch)
        self.clear()

    def keep_alive(self, seconds: float) -> None:
        raise AssertionError("the database is never away here")


STEPS: dict[str, tuple[str, dict[str, Draw]]] = {}


def step(needed: str = "", /, **given: Draw) -> Callable[[Method], Method]:
    """A step that may be taken once there is something `needed`.

    Not a rule for itself: of many rules Hypothesis leaves some out of each example, and without a place or a claim
    an order has no life to follow.
    """

    def mark(method: Method) -> Method:
        STEPS[method.__name__] = needed, given
        return method

    return mark


def one_of(*options: Any) -> Draw:
    """One of them, each as likely as the others: Hypothesis's own draws come back to the same few examples."""
    return lambda random: random.choice(options)


def same_random(random: Random) -> Random:
    """For a choice that depends on where the machine stands."""
    return random


def some_orders(random: Random) -> list[tuple[str, str, str]]:
    """Shops, ids and contents."""
    chosen = range(random.randint(1, 4))
    return [(random.choice("ab"), random.choice(CODES), random.choice(["", "changed"])) for _ in chosen]
