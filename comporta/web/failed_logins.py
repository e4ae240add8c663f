"""Failed logins: counted by way, and logged with the address at most once a second, never with the token."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Literal

import structlog
from prometheus_client import CollectorRegistry, Counter

__all__ = ["FailedLogins", "Way"]

log = structlog.get_logger(__name__)

# The login form, the link printed at start, and the header of programs.
Way = Literal["form", "link", "bearer"]
_WAYS: tuple[Way, ...] = ("form", "link", "bearer")
_HELP = "Wrong tokens by the way they came: the login form, the sign-in link, or the Authorization header of a program."
_LOG_EVERY = 1.0


class FailedLogins:
    """Counter of failed logins; `registry` holds it and nothing else."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.registry = CollectorRegistry()
        self._counter = Counter("comporta_failed_logins_total", _HELP, ("way",), registry=self.registry)
        for way in _WAYS:
            # An alert on the increase needs the zero before the first failure.
            self._counter.labels(way)
        self._clock = clock
        self._lock = threading.Lock()
        self._next_line = float("-inf")
        self._left_out = 0

    def record(self, way: Way, address: str) -> None:
        """Count a failed login, and log it unless another line was logged within the last second."""
        self._counter.labels(way).inc()
        with self._lock:
            now = self._clock()
            if now < self._next_line:
                self._left_out += 1
                return
            left_out, self._left_out, self._next_line = self._left_out, 0, now + _LOG_EVERY
        log.warning("login failed", way=way, address=address, more_since_last_line=left_out)
