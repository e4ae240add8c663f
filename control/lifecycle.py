"""Runs threads until a signal says stop: the first finishes what is in hand, the second ends at once."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

import structlog

__all__ = ["Loops", "stop_on_signals"]

log = structlog.get_logger(__name__)

STOP_SECONDS = 9.0
_LOOK_SECONDS = 0.2


def stop_on_signals(stop: threading.Event, at_first: Callable[[], None] = lambda: None) -> None:
    """Sets `stop` at the first SIGTERM or SIGINT, and calls `at_first`; ends the process at the second."""

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()
        at_first()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)


class Loops:
    """Threads that run until `stop`; one that ends by itself stops all, and the process then fails."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self.failed = False
        self._threads: list[threading.Thread] = []

    @property
    def alive(self) -> bool:
        """Whether every loop runs."""
        return all(thread.is_alive() for thread in self._threads)

    def start(self, name: str, run: Callable[[], None]) -> None:
        """Runs a loop in a thread of its own."""
        thread = threading.Thread(target=self._guarded, args=(name, run), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def wait(self, still_wanted: Callable[[], bool] = lambda: True) -> None:
        """Returns when told to stop, when a loop failed, or when `still_wanted` says no."""
        while not self._stop.wait(_LOOK_SECONDS):
            if not still_wanted():
                self._stop.set()

    def join(self) -> bool:
        """Waits for every loop to end, within 9 seconds in all; returns whether all did."""
        deadline = time.monotonic() + STOP_SECONDS
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, deadline - time.monotonic()))
        late = [thread.name for thread in self._threads if thread.is_alive()]
        if late:
            log.warning("stopped without waiting longer", loops=late)
        return not late

    def _guarded(self, name: str, run: Callable[[], None]) -> None:
        try:
            run()
        except Exception:
            log.exception("loop failed", loop=name)
            self.failed = True
        if not self._stop.is_set():
            self.failed = True
            self._stop.set()
