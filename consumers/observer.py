"""Batch statistics, reported after the commit: outcomes, duration, and the lag of the messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from consumers.delivery import Delivery
from rules.feeds import Distances
from rules.outcomes import Tally
from rules.switches import Scope
from rules.unknown_fields import FieldKey, FieldUse
from schemas.events import ChangeEvent
from schemas.topology import BULK, DEAD

__all__ = ["BatchStats", "OnBatch", "distances_of", "ignore_batch", "lags_of"]

# From this value on (the year 10000) a timestamp is taken for milliseconds and ignored: AMQP has whole seconds.
_YEAR_10000 = 253_402_300_800
# To read the time of every event would cost more and add little.
_SAMPLE = 8


class BatchStats(NamedTuple):
    """One batch: its outcomes, the seconds from its receipt to its commit, and its lag by domain in seconds.

    `unknown` counts the fields that were ignored; `distances` are those of the events' times to the commit.
    """

    tally: Tally
    seconds: float
    lags: Mapping[str, float]
    unknown: Mapping[FieldKey, FieldUse] = MappingProxyType({})
    distances: Mapping[Scope, Distances] = MappingProxyType({})


OnBatch = Callable[[BatchStats], None]


def ignore_batch(_batch: BatchStats) -> None:
    """Ignore the statistics: the default where none are collected."""


def lags_of(items: Sequence[tuple[Delivery, Any]], now: float) -> dict[str, float]:
    """Return the seconds from the sending of each queue's first message in the batch to `now`, by domain the longest.

    The first message of a queue has waited longest: to read every message would cost more and add nothing. Messages
    without a sending time, and dead letters, which are old, are left out, as are those of full loads, which wait for
    the live ones; a sender's clock ahead of ours gives 0.
    """
    firsts = {item[0].queue: item for item in reversed(items)}
    live = (item for queue, item in firsts.items() if queue != DEAD and not queue.endswith(f".{BULK}"))
    lags: dict[str, float] = {}
    for delivery, decoded in live:
        if (at := _sent(delivery, decoded)) is not None:
            lags[decoded.domain] = max(0.0, now - at, lags.get(decoded.domain, 0.0))
    return lags


def distances_of(items: Sequence[tuple[Delivery, Any]], now: float) -> dict[Scope, Distances]:
    """Return the seconds from the events' own times to `now`, by shop and domain, of a sample of the batch.

    The last event is always in it. Dead letters, which are old, are left out.
    """
    found: dict[Scope, list[float]] = {}
    for delivery, decoded in items[:: -(len(items) // _SAMPLE + 1)]:
        if isinstance(decoded, ChangeEvent) and decoded.occurred_at is not None and delivery.queue != DEAD:
            found.setdefault((decoded.shop, decoded.domain), []).append(decoded.occurred_at.timestamp())
    return {scope: _distances(times, now) for scope, times in found.items()}


def _distances(times: Sequence[float], now: float) -> Distances:
    newest = max(times)
    return Distances(newest, now - newest, now - min(times), now * len(times) - sum(times), len(times))


def _sent(delivery: Delivery, decoded: Any) -> float | None:
    """Return the sending time: AMQP's `timestamp`, at the end of that second, else the event's `time`, else None."""
    timestamp = delivery.properties.get("timestamp")
    if isinstance(timestamp, datetime):
        timestamp = timestamp.timestamp()
    if isinstance(timestamp, int | float) and 0 <= timestamp < _YEAR_10000:
        return timestamp + 1.0
    if isinstance(decoded, ChangeEvent) and decoded.occurred_at is not None:
        return decoded.occurred_at.timestamp()
    return None
