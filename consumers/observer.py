"""What is told of a batch once it is committed: its outcomes, how long it took, and how old its news was."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from consumers.delivery import Delivery
from rules.outcomes import Tally
from schemas.events import ChangeEvent
from schemas.topology import DEAD

__all__ = ["BatchStats", "OnBatch", "ignore_batch", "lags_of"]

# A second later AMQP's whole seconds can't be told from a clock that gives milliseconds.
_YEAR_10000 = 253_402_300_800


class BatchStats(NamedTuple):
    """One batch: its outcomes, the seconds from its receipt to its commit, and its lag by domain in seconds."""

    tally: Tally
    seconds: float
    lags: Mapping[str, float]


OnBatch = Callable[[BatchStats], None]


def ignore_batch(_batch: BatchStats) -> None:
    """Nobody wants to know."""


def lags_of(items: Sequence[tuple[Delivery, Any]], now: float) -> dict[str, float]:
    """How many seconds before `now` the first message of each queue in the batch was sent, by domain.

    The first of a queue has waited longest: to ask every message would cost more and say no more. What doesn't
    say when it was sent, and dead letters, which were sent long ago, are left out; a clock ahead of ours gives 0.
    """
    firsts = {item[0].queue: item for item in reversed(items)}
    sent = {decoded.domain: _sent(delivery, decoded) for queue, (delivery, decoded) in firsts.items() if queue != DEAD}
    return {domain: max(0.0, now - at) for domain, at in sent.items() if at is not None}


def _sent(delivery: Delivery, decoded: Any) -> float | None:
    """By AMQP's `timestamp`, at the end of that second; else by the event's `time`; None if neither says."""
    stamp = delivery.properties.get("timestamp")
    if isinstance(stamp, datetime):
        stamp = stamp.timestamp()
    if isinstance(stamp, int | float) and 0 <= stamp < _YEAR_10000:
        return stamp + 1.0
    if isinstance(decoded, ChangeEvent) and decoded.occurred_at is not None:
        return decoded.occurred_at.timestamp()
    return None
