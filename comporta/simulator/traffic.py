"""What a simulation sends, ready for the publisher: the ERP's events, and between them the shop's orders."""

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

__all__ = ["erp_traffic", "paced", "traffic"]
# Shorter sleeps would cost more than they even out.
_LEAST_SLEEP = 0.002
_MOST_BEHIND = 0.1
Thing = TypeVar("Thing")


def erp_traffic(
    erp: SimulatedErp,
    rate: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[OutgoingMessage]:
    """All that the ERP holds, as fast as it is taken; then its changes without end, so many a second."""
    changes = paced(erp.changes(), rate, clock=clock, sleep=sleep)
    return map(_outgoing, chain(erp.initial_load(), changes))


def traffic(
    erp: SimulatedErp,
    rate: float,
    shop: SimulatedShop | None,
    orders: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[OutgoingMessage]:
    """The same, with so many orders a second evenly among the changes, if there is a shop that places them."""
    if shop is None:
        return erp_traffic(erp, rate, clock=clock, sleep=sleep)
    both = _among(map(_outgoing, erp.changes()), shop.placed(), orders / (rate + orders))
    return chain(map(_outgoing, erp.initial_load()), paced(both, rate + orders, clock=clock, sleep=sleep))


def _among(
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


def _outgoing(message: ErpMessage) -> OutgoingMessage:
    return OutgoingMessage(EVENTS, message.routing_key, message.body, message.event_id)


def paced(
    things: Iterable[Thing],
    rate: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[Thing]:
    """So many a second on average; whoever was slow to take them gets a tenth of a second's worth at once, not more."""
    due = clock()
    for thing in things:
        now = clock()
        if due - now >= _LEAST_SLEEP:
            sleep(due - now)
        due = max(due, now - _MOST_BEHIND) + 1 / rate
        yield thing
