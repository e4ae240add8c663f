"""Runs threads until a signal says stop: the first finishes what is in hand, the second ends at once."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

import structlog

__all__ = ["STALL_SECONDS", "LivenessEvent", "ThreadGroup", "stop_on_signals"]

log = structlog.get_logger(__name__)

STOP_SECONDS = 9.0
# Longer than the slowest turn that ends well: a statement waits 10 s for a lock and works for 20 s at most, and
# an order is given up after 30 s.
STALL_SECONDS = 60.0
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


class LivenessEvent(threading.Event):
    """A loop's own view of `stop` that notes when it is looked at: a loop that turns looks at it at every turn.

    So does one that waits for an away broker or database between two attempts; one that hangs does not.
    """

    def __init__(self, stop: threading.Event) -> None:
        super().__init__()
        self._stop = stop
        self.seen = time.monotonic()

    def is_set(self) -> bool:
        """Whether to stop."""
        self.seen = time.monotonic()
        return self._stop.is_set()

    def set(self) -> None:
        """Stops everything, not this loop alone."""
        self._stop.set()

    def clear(self) -> None:
        """Takes the stop back."""
        self._stop.clear()

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until told to stop; returns whether it was."""
        self.seen = time.monotonic()
        told = self._stop.wait(timeout)
        self.seen = time.monotonic()
        return told


class ThreadGroup:
    """Threads that run until `stop`; one that ends by itself stops all, and the process then fails."""

    def __init__(self, stop: threading.Event, stall_seconds: float = STALL_SECONDS) -> None:
        self._stop = stop
        self._stall_seconds = stall_seconds
        self.failed = False
        self._threads: list[threading.Thread] = []
        self._pulses: dict[str, LivenessEvent] = {}

    def pulse(self, name: str) -> LivenessEvent:
        """The `stop` for the loop of this name: whether it still turns shows in `unhealthy`."""
        return self._pulses.setdefault(name, LivenessEvent(self._stop))

    def unhealthy(self) -> dict[str, str]:
        """The loops that ended by themselves or hang, each with what is wrong; none once told to stop."""
        if self._stop.is_set() and not self.failed:
            return {}
        now = time.monotonic()
        return {thread.name: why for thread in self._threads if (why := self._complaint(thread, now)) is not None}

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

    def _complaint(self, thread: threading.Thread, now: float) -> str | None:
        if not thread.is_alive():
            return "has ended"
        pulse = self._pulses.get(thread.name)
        still = now - pulse.seen if pulse is not None else 0.0
        return f"has not turned for {still:.0f} s" if still > self._stall_seconds else None

    def _guarded(self, name: str, run: Callable[[], None]) -> None:
        try:
            run()
        except Exception:
            log.exception("loop failed", loop=name)
            self.failed = True
        if not self._stop.is_set():
            self.failed = True
            self._stop.set()
