"""Traffic of a simulation, ready for the publisher: the ERP's events, interleaved with the shop's orders."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import TypeVar

from comporta.simulator.erp import SimulatedErp
from comporta.simulator.messages import ErpMessage
from comporta.simulator.shop import SimulatedShop
from producers.messages import OutgoingMessage
from schemas.topology import EVENTS

__all__ = ["erp_traffic", "outgoing_event", "paced", "traffic"]
# Shorter sleeps cost more time than they correct.
_MIN_SLEEP = 0.002
_MAX_BEHIND = 0.1
Item = TypeVar("Item")


def erp_traffic(
    erp: SimulatedErp,
    rate: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[OutgoingMessage]:
    """Yield the ERP's initial load at the publisher's speed, then its changes without end at `rate` per second."""
    changes = paced(erp.changes(), rate, clock=clock, sleep=sleep)
    return map(outgoing_event, chain(erp.initial_load(), changes))


def traffic(
    erp: SimulatedErp,
    rate: float,
    shop: SimulatedShop | None,
    orders: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[OutgoingMessage]:
    """Yield the same traffic, with `orders` per second spread evenly among the changes if there is a shop."""
    if shop is None:
        return erp_traffic(erp, rate, clock=clock, sleep=sleep)
    mixed = _interleave(map(outgoing_event, erp.changes()), shop.placed(), orders / (rate + orders))
    return chain(map(outgoing_event, erp.initial_load()), paced(mixed, rate + orders, clock=clock, sleep=sleep))


def _interleave(
    changes: Iterator[OutgoingMessage], orders: Iterator[OutgoingMessage], share: float
) -> Iterator[OutgoingMessage]:
    due = 0.0
    while True:
        due += share
        if due >= 1:
            due -= 1
            yield next(orders)
        else:
            yield next(changes)


def outgoing_event(message: ErpMessage) -> OutgoingMessage:
    """Return the message as it is published."""
    return OutgoingMessage(EVENTS, message.routing_key, message.body, message.event_id, headers=message.headers)


def paced(
    items: Iterable[Item],
    rate: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[Item]:
    """Yield `rate` items per second on average; a consumer that fell behind gets at most 0.1 s worth at once."""
    due = clock()
    for item in items:
        now = clock()
        if due - now >= _MIN_SLEEP:
            sleep(due - now)
        due = max(due, now - _MAX_BEHIND) + 1 / rate
        yield item
