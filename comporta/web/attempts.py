"""How often somebody may try to come in with a wrong token."""

from __future__ import annotations

import math
import time

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

__all__ = ["Attempts"]

_BY_ADDRESS, _IN_ALL = RateLimitItemPerMinute(10), RateLimitItemPerMinute(100)


class Attempts:
    """Counts failures of the last minute, by address and in all; who succeeds costs nobody a try."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def seconds_to_wait(self, address: str) -> int:
        """How long until another try is heard; 0 if it is now."""
        return max(self._wait(_BY_ADDRESS, "address", address), self._wait(_IN_ALL, "all"))

    def failed(self, address: str) -> None:
        """Counts a failure."""
        self._limiter.hit(_BY_ADDRESS, "address", address)
        self._limiter.hit(_IN_ALL, "all")

    def _wait(self, item: RateLimitItem, *names: str) -> int:
        if self._limiter.test(item, *names):
            return 0
        return max(1, math.ceil(self._limiter.get_window_stats(item, *names).reset_time - time.time()))
