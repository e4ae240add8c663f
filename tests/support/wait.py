"""Waits for a state, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["wait_until"]

_PAUSE = 0.015

Found = TypeVar("Found")


def wait_until(predicate: Callable[[], Found], *, timeout: float = 30.0, what: str = "it to be so") -> Found:
    """Ask until the answer is true, and return it; fail after `timeout` seconds, naming the last answer."""
    deadline = time.monotonic() + timeout
    while True:
        found = predicate()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:g} s for {what}; the last answer was {found!r}")
        time.sleep(_PAUSE)
