"""What a simulation sends, ready for the publisher: today the ERP's events; a shop's orders would join them here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import chain

from producers.outgoing import Outgoing
from producers.simulator.erp import SimulatedErp
from producers.simulator.messages import ErpMessage
from producers.simulator.pacing import paced
from schemas.topology import EVENTS

__all__ = ["erp_traffic"]


def erp_traffic(
    erp: SimulatedErp,
    rate: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[Outgoing]:
    """All that the ERP holds, as fast as it is taken; then its changes without end, so many a second."""
    changes = paced(erp.changes(), rate, clock=clock, sleep=sleep)
    return map(_outgoing, chain(erp.initial_load(), changes))


def _outgoing(message: ErpMessage) -> Outgoing:
    return Outgoing(EVENTS, message.routing_key, message.body, message.event_id)
