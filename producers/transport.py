"""One message on its way, from the hand-over by one thread to the broker's answer in another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from producers.messages import Fate, OutgoingMessage, PublishResult

__all__ = ["PendingPublish", "Transport"]


class PendingPublish:
    """A message that was handed over; settled once, by whoever first learns its fate."""

    __slots__ = ("_landed", "detail", "fate", "handed", "message")

    def __init__(self, message: OutgoingMessage) -> None:
        self.message = message
        self.handed = time.monotonic()
        self.fate: Fate | None = None
        self.detail = ""
        self._landed: threading.Event | None = None

    @property
    def result(self) -> PublishResult:
        """The fate; only asked of a settled flight."""
        assert self.fate is not None
        return PublishResult(self.message, self.fate, self.detail)

    def settle(self, fate: Fate, detail: str = "") -> None:
        """Says what became of it, and wakes whoever waits for it; the first word counts."""
        if self.fate is not None:
            return
        self.detail = detail
        self.fate = fate
        if self._landed is not None:
            self._landed.set()

    def wait(self, alive: Callable[[], bool]) -> None:
        """Returns when it is settled, which the other thread sees to in good time; `alive` says whether it runs."""
        if self.fate is not None:
            return
        self._landed = threading.Event()
        # Settled between the question and the event's making, or by a thread that has ended: look again.
        while self.fate is None and not self._landed.wait(1.0):
            if not alive():
                self.settle(Fate.UNKNOWN, "the publisher was closed")


class Transport(Protocol):
    """A way to a broker."""

    @property
    def state(self) -> str:
        """What it is doing: `connecting`, `open`, `blocked` or `closed`, with why."""

    @property
    def alive(self) -> bool:
        """Whether anybody still settles what is handed over."""

    def send(self, flight: PendingPublish) -> None:
        """Takes a message on its way; never waits for the broker."""

    def close(self) -> None:
        """Ends it; what is still on its way has an unknown fate."""
