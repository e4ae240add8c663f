"""Transport protocol, and the message in flight between the caller's thread and the transport's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from producers.messages import Fate, OutgoingMessage, PublishResult

__all__ = ["PendingPublish", "Transport"]


class PendingPublish:
    """Message in flight; settled once, by the first answer, deadline or close."""

    __slots__ = ("_settled", "detail", "fate", "message", "submitted_at")

    def __init__(self, message: OutgoingMessage) -> None:
        self.message = message
        self.submitted_at = time.monotonic()
        self.fate: Fate | None = None
        self.detail = ""
        self._settled: threading.Event | None = None

    @property
    def result(self) -> PublishResult:
        """Result of a settled message."""
        assert self.fate is not None
        return PublishResult(self.message, self.fate, self.detail)

    def settle(self, fate: Fate, detail: str = "") -> None:
        """Record the fate and wake the waiting caller; only the first call counts."""
        if self.fate is not None:
            return
        self.detail = detail
        self.fate = fate
        if self._settled is not None:
            self._settled.set()

    def wait(self, alive: Callable[[], bool]) -> None:
        """Wait until the message is settled; settle it as `UNKNOWN` if `alive` reports that the thread has ended."""
        if self.fate is not None:
            return
        self._settled = threading.Event()
        # Checked again: it may be settled before the event exists, and a thread that has ended settles nothing.
        while self.fate is None and not self._settled.wait(1.0):
            if not alive():
                self.settle(Fate.UNKNOWN, "the publisher was closed")


class Transport(Protocol):
    """Connection to a broker that settles each message."""

    @property
    def state(self) -> str:
        """State: `connecting`, `open`, `blocked` or `closed`, with the reason."""

    @property
    def alive(self) -> bool:
        """Messages that are handed over still get settled."""

    def send(self, pending: PendingPublish) -> None:
        """Queue a message for sending; never wait for the broker."""

    def close(self) -> None:
        """Close the connection; messages in flight get `UNKNOWN`."""
