"""Waits for a state, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["wait_until"]

# Seconds between two answers, the longer the longer it has been waited: what is waited for needs the processor itself.
_SHORTEST, _LONGEST, _SHARE = 0.015, 0.1, 0.05

Found = TypeVar("Found")


def wait_until(predicate: Callable[[], Found], *, timeout: float = 60.0, what: str = "it to be so") -> Found:
    """Ask until the answer is true, and return it; fail after `timeout` seconds, naming the last answer.

    It pauses between two answers, and at least as long as the last one took.
    """
    began = time.monotonic()
    while True:
        asked = time.monotonic()
        found = predicate()
        if found:
            return found
        now = time.monotonic()
        if now > began + timeout:
            raise AssertionError(f"waited {timeout:g} s for {what}; the last answer was {found!r}")
        time.sleep(max(_SHORTEST, min(_LONGEST, (now - began) * _SHARE), min(now - asked, 1.0)))
