"""Asks what may hang, so that whoever waits for the answer never waits longer than a bound."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

__all__ = ["SingleFlight"]

Answer = TypeVar("Answer")


class SingleFlight(Generic[Answer]):
    """One question, in a thread of its own; who asks while it is open, or just answered, gets that same answer.

    So a server that hangs costs one thread and one connection, however often somebody asks.
    """

    def __init__(self, name: str, ask: Callable[[], Answer], *, patience: float, fresh: float) -> None:
        self._name = name
        self._ask = ask
        self._patience = patience
        self._fresh = fresh
        self._lock = threading.Lock()
        self._since = 0.0
        self._open: Future[Answer] | None = None

    async def answer(self) -> Answer:
        """The answer, `fresh` seconds old at most; raises `TimeoutError`, or what the asking raised."""
        future, since = self._current()
        waiting = asyncio.wrap_future(future)
        # Nobody may be left to see how an answer that comes too late ends; asyncio would log that at length.
        waiting.add_done_callback(lambda late: late.cancelled() or late.exception())
        left = max(0.0, since + self._patience - time.monotonic())
        return await asyncio.wait_for(asyncio.shield(waiting), left)

    def _current(self) -> tuple[Future[Answer], float]:
        with self._lock:
            now = time.monotonic()
            if self._open is None or (self._open.done() and now - self._since > self._fresh):
                self._open, self._since = Future(), now
                threading.Thread(target=self._run, args=(self._open,), name=self._name, daemon=True).start()
            return self._open, self._since

    def _run(self, future: Future[Answer]) -> None:
        try:
            future.set_result(self._ask())
        except Exception as error:
            future.set_exception(error)
