"""Throttling of log lines that an outsider can cause: one line a second, with the number of those left out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

__all__ = ["OncePerSecond", "http_logger"]


class OncePerSecond(logging.Filter):
    """Filter that passes one warning a second and counts the others; errors pass always."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._next = float("-inf")
        self._left_out = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is logged; it then tells how many were not."""
        if record.levelno > logging.WARNING:
            return True
        now = self._clock()
        if now < self._next:
            self._left_out += 1
            return False
        if self._left_out:
            record.msg, record.args = f"{record.getMessage()} ({self._left_out} more since the last line)", ()
        self._next, self._left_out = now + 1.0, 0
        return True


def http_logger(name: str) -> logging.Logger:
    """Return the logger of this name with the filter, which it gets once."""
    logger = logging.getLogger(name)
    if not any(isinstance(known, OncePerSecond) for known in logger.filters):
        logger.addFilter(OncePerSecond())
    return logger
