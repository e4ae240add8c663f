"""How fast a shop's orders may leave: slowly at first after a pause, and one at a time while its ERP fails."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Throttle"]

_FIRST_RATE = 50.0
_DOUBLED_EVERY = 5.0
_FREE_RATE = 5_000.0
_FAILURES = 5
_BREAK_SECONDS, _LONGEST_BREAK = 5.0, 60.0


@dataclass(slots=True)
class Throttle:
    """One shop's pace; every time is in seconds of one clock, passed in.

    After `slow_down` it starts at 50 orders a second and doubles every 5 seconds, and is free from 5,000 on.
    After 5 failures in a row nothing leaves for a while; then one order at a time, until one succeeds.
    """

    _since: float | None = None
    _tokens: float = 0.0
    _asked: float = 0.0
    _failures: int = 0
    _closed_until: float = 0.0
    _probing: bool = False

    def slow_down(self, now: float) -> None:
        """Starts from the beginning: the ERP has not been spoken to for a while, or did not take it well."""
        self._since = self._asked = now
        self._tokens = 1.0

    def allows(self, now: float, sharers: int = 1) -> float:
        """How many orders may leave now, where so many keep the same pace beside each other."""
        if self._failures >= _FAILURES:
            return 0 if self._probing or now < self._closed_until else 1
        if self._since is None:
            return float("inf")
        rate = _FIRST_RATE * 2 ** ((now - self._since) // _DOUBLED_EVERY)
        if rate >= _FREE_RATE:
            self._since = None
            return float("inf")
        rate /= max(1, sharers)
        # No more than a tenth of a second's worth at once.
        self._tokens = min(max(1.0, rate / 10), self._tokens + (now - self._asked) * rate)
        self._asked = now
        return int(self._tokens)

    def left(self, orders: int) -> None:
        """So many have left."""
        self._tokens -= orders
        self._probing = self._failures >= _FAILURES and orders > 0

    def succeeded(self) -> None:
        """The ERP has answered one."""
        self._failures = 0
        self._probing = False

    def failed(self, now: float) -> None:
        """The ERP has failed with one."""
        self._failures += 1
        self._probing = False
        if self._since is not None:
            self.slow_down(now)
        if self._failures >= _FAILURES:
            wait = min(_LONGEST_BREAK, _BREAK_SECONDS * 2 ** min(self._failures - _FAILURES, 10))
            self._closed_until = now + wait
