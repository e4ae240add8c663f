"""Threads of a process, their liveness and their stop by signal."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from types import FrameType

import structlog

__all__ = ["STALL_SECONDS", "LivenessEvent", "ThreadGroup", "stop_on_signals"]

log = structlog.get_logger(__name__)

STOP_SECONDS = 9.0
# Longer than the slowest turn that ends well: a statement waits 10 s for a lock and works for 20 s at most, and
# an order is given up after 30 s.
STALL_SECONDS = 60.0
_POLL_SECONDS = 0.2


def stop_on_signals(stop: threading.Event, at_first: Callable[[], None] = lambda: None) -> None:
    """Set `stop` and call `at_first` at the first SIGTERM or SIGINT; end the process at the second.

    After the first signal the loops finish the work they have begun. `at_first` runs in the handler, in the main
    thread: it may raise, and may take no lock.
    """
    received: SimpleQueue[int] = SimpleQueue()
    stopping = False

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        if stopping or stop.is_set():
            os._exit(128 + number)
        stopping = True
        received.put(number)
        at_first()

    def wait_for_signal() -> None:
        received.get()
        stop.set()

    # The handler can't set the event: if it interrupts the main thread inside the event's lock, it waits for itself.
    # A SimpleQueue is the one queue of Python's that a handler may put to.
    threading.Thread(target=wait_for_signal, name="signals", daemon=True).start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)


class LivenessEvent(threading.Event):
    """Stop event of one loop that records when the loop last checked it.

    A loop checks it at every iteration, also between two attempts to reach a broker or database that is away; a loop
    that hangs does not.
    """

    def __init__(self, stop: threading.Event) -> None:
        super().__init__()
        self._stop = stop
        self.seen = time.monotonic()

    def is_set(self) -> bool:
        """Return whether the process is to stop."""
        self.seen = time.monotonic()
        return self._stop.is_set()

    def set(self) -> None:
        """Stop every loop of the process, not this one alone."""
        self._stop.set()

    def clear(self) -> None:
        """Withdraw the stop."""
        self._stop.clear()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the stop, `timeout` seconds at most; return whether the process is to stop."""
        self.seen = time.monotonic()
        stopped = self._stop.wait(timeout)
        self.seen = time.monotonic()
        return stopped


class ThreadGroup:
    """Group of threads that run until `stop`; one that ends by itself stops all, and the process then fails."""

    def __init__(self, stop: threading.Event, stall_seconds: float = STALL_SECONDS) -> None:
        self._stop = stop
        self._stall_seconds = stall_seconds
        self.failed = False
        self._threads: list[threading.Thread] = []
        self._pulses: dict[str, LivenessEvent] = {}

    def pulse(self, name: str) -> LivenessEvent:
        """Return the stop event for the loop of this name, by which `unhealthy` detects that the loop hangs."""
        return self._pulses.setdefault(name, LivenessEvent(self._stop))

    def unhealthy(self) -> dict[str, str]:
        """Return the loops that hang or ended by themselves, each with the fault; none during a regular stop."""
        if self._stop.is_set() and not self.failed:
            return {}
        now = time.monotonic()
        return {thread.name: fault for thread in self._threads if (fault := self._fault(thread, now)) is not None}

    def start(self, name: str, run: Callable[[], None]) -> None:
        """Run a loop in a thread of its own."""
        thread = threading.Thread(target=self._run_guarded, args=(name, run), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def wait(self, keep_running: Callable[[], bool] = lambda: True) -> None:
        """Wait until `stop` is set, a loop has failed, or `keep_running` returns False."""
        while not self._stop.wait(_POLL_SECONDS):
            if not keep_running():
                self._stop.set()

    def join(self) -> bool:
        """Wait for every loop to end, 9 seconds in all at most; return whether all did."""
        deadline = time.monotonic() + STOP_SECONDS
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, deadline - time.monotonic()))
        late = [thread.name for thread in self._threads if thread.is_alive()]
        if late:
            log.warning("stopped without waiting longer", loops=late)
        return not late

    def _fault(self, thread: threading.Thread, now: float) -> str | None:
        if not thread.is_alive():
            return "has ended"
        pulse = self._pulses.get(thread.name)
        idle = now - pulse.seen if pulse is not None else 0.0
        return f"has not turned for {idle:.0f} s" if idle > self._stall_seconds else None

    def _run_guarded(self, name: str, run: Callable[[], None]) -> None:
        try:
            run()
        except Exception:
            log.exception("loop failed", loop=name)
            self.failed = True
        if not self._stop.is_set():
            self.failed = True
            self._stop.set()
