"""Gives things out at a rate."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

__all__ = ["paced"]

# Shorter sleeps would cost more than they even out.
_LEAST_SLEEP = 0.002
_MOST_BEHIND = 0.1

Thing = TypeVar("Thing")


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
