"""Order throttle: a slow start after a pause, and a circuit breaker while the ERP fails."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Throttle"]

_FIRST_RATE = 50.0
_DOUBLING_SECONDS = 5.0
_UNLIMITED_RATE = 5_000.0
_FAILURES = 5
_BREAK_SECONDS, _LONGEST_BREAK = 5.0, 15.0
_MOST_PROBES = 16
# Orders never tried before, sent while the breaker is open: each may be the one that the ERP takes.
_UNTRIED_RATE = 2.0
# However long a wait the ERP asks for, the others are held no longer: it may have meant this one order.
_LONGEST_HOLD = 15.0


@dataclass(slots=True)
class Throttle:
    """Delivery rate of one shop's orders; every time is in seconds of one clock, passed in.

    After `slow_down` it starts at 50 orders a second, doubles every 5 seconds, and is unlimited from 5,000 on.
    After 5 failures in a row the breaker opens. Until one order succeeds, orders that were never tried leave at 2 a
    second; after breaks of 5, 10 and then 15 seconds probes of any leave, 1, 2, 4, 8 and then 16 at once.
    """

    succeeded_at: float | None = None
    _started_at: float | None = None
    _tokens: float = 0.0
    _refilled_at: float = 0.0
    _failures: int = 0
    _breaks: int = 0
    _break_until: float = 0.0
    _held_until: float = 0.0
    _probing: bool = False

    def slow_down(self, now: float) -> None:
        """Restart at the lowest rate: after a pause, or after a failure while the rate still grows."""
        self._started_at = self._refilled_at = now
        self._tokens = 1.0

    def allows(self, now: float, workers: int = 1, *, untried: bool = False) -> float:
        """Return the number of orders that may be sent now, by one of so many workers that share the rate.

        `untried` says whether one of those that are due has never been sent; it is the first to be claimed.
        """
        if now < self._held_until:
            return 0
        if self._is_open:
            new = self._take_rate(_UNTRIED_RATE / max(1, workers), now) if untried else 0
            return max(new, self._probes(now))
        if self._started_at is None:
            return float("inf")
        rate = _FIRST_RATE * 2 ** ((now - self._started_at) // _DOUBLING_SECONDS)
        if rate >= _UNLIMITED_RATE:
            self._started_at = None
            return float("inf")
        return self._take_rate(rate / max(1, workers), now)

    def sent(self, orders: int, now: float) -> None:
        """Count so many orders as sent."""
        self._tokens = max(0.0, self._tokens - orders)
        self._probing = self._probing or (orders > 0 and self._probes(now) > 0)

    def succeeded(self, now: float) -> None:
        """Record an answer of the ERP about an order: the breaker closes."""
        self.succeeded_at = now
        self._failures = self._breaks = 0
        self._probing = False

    def failed(self, now: float, *, first: bool = True, retry_after: float | None = None) -> None:
        """Record a failure of the ERP; `first` is false for an order that has failed before, which may be at fault.

        Only a first failure slows the others down, so that an order that fails again and again does not.
        """
        self._failures += 1
        if first and self._started_at is not None:
            self.slow_down(now)
        if first and retry_after is not None:
            self._held_until = now + min(retry_after, _LONGEST_HOLD)
        if self._failures == _FAILURES or self._probing:
            self._tokens, self._refilled_at = 0.0, now
            self._break_until = now + min(_LONGEST_BREAK, _BREAK_SECONDS * 2 ** min(self._breaks, 10))
            self._breaks += 1
        self._probing = False

    @property
    def _is_open(self) -> bool:
        return self._failures >= _FAILURES

    def _probes(self, now: float) -> int:
        if not self._is_open or self._probing or now < self._break_until:
            return 0
        return min(_MOST_PROBES, 1 << min(self._breaks - 1, 10))

    def _take_rate(self, rate: float, now: float) -> int:
        # A token bucket that holds at most a tenth of a second, so that the orders are not sent in one burst.
        self._tokens = min(max(1.0, rate / 10), self._tokens + (now - self._refilled_at) * rate)
        self._refilled_at = now
        return int(self._tokens)
