"""Order throttle: a slow start after a pause, and a circuit breaker while the ERP fails."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Throttle"]

_FIRST_RATE = 50.0
_DOUBLING_SECONDS = 5.0
_UNLIMITED_RATE = 5_000.0
_FAILURES = 5
_BREAK_SECONDS, _LONGEST_BREAK = 5.0, 60.0


@dataclass(slots=True)
class Throttle:
    """Delivery rate of one shop's orders; every time is in seconds of one clock, passed in.

    After `slow_down` it starts at 50 orders a second, doubles every 5 seconds, and is unlimited from 5,000 on.
    After 5 failures in a row no order is sent for 5 to 60 seconds; then one at a time, until one succeeds.
    """

    _started_at: float | None = None
    _tokens: float = 0.0
    _refilled_at: float = 0.0
    _failures: int = 0
    _closed_until: float = 0.0
    _probing: bool = False

    def slow_down(self, now: float) -> None:
        """Restart at the lowest rate: after a pause, or after a failure while the rate still grows."""
        self._started_at = self._refilled_at = now
        self._tokens = 1.0

    def allows(self, now: float, workers: int = 1) -> float:
        """Return the number of orders that may be sent now, by one of so many workers that share the rate."""
        if self._failures >= _FAILURES:
            return 0 if self._probing or now < self._closed_until else 1
        if self._started_at is None:
            return float("inf")
        rate = _FIRST_RATE * 2 ** ((now - self._started_at) // _DOUBLING_SECONDS)
        if rate >= _UNLIMITED_RATE:
            self._started_at = None
            return float("inf")
        rate /= max(1, workers)
        # A token bucket that holds at most a tenth of a second, so that the orders are not sent in one burst.
        self._tokens = min(max(1.0, rate / 10), self._tokens + (now - self._refilled_at) * rate)
        self._refilled_at = now
        return int(self._tokens)

    def sent(self, orders: int) -> None:
        """Count so many orders as sent."""
        self._tokens -= orders
        self._probing = self._failures >= _FAILURES and orders > 0

    def succeeded(self) -> None:
        """Record an answer of the ERP: the failures in a row end."""
        self._failures = 0
        self._probing = False

    def failed(self, now: float) -> None:
        """Record a failure of the ERP."""
        self._failures += 1
        self._probing = False
        if self._started_at is not None:
            self.slow_down(now)
        if self._failures >= _FAILURES:
            wait = min(_LONGEST_BREAK, _BREAK_SECONDS * 2 ** min(self._failures - _FAILURES, 10))
            self._closed_until = now + wait
