"""Single flight: one call that may hang, shared by concurrent callers, each of which waits for a limited time."""

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
    """Call in a thread of its own; callers that arrive while it runs, or while its answer is fresh, share its answer.

    So a server that hangs costs one thread and one connection, however many callers there are.
    """

    def __init__(self, name: str, call: Callable[[], Answer], *, patience: float, fresh: float) -> None:
        self._name = name
        self._call = call
        self._patience = patience
        self._fresh = fresh
        self._lock = threading.Lock()
        self._since = 0.0
        self._future: Future[Answer] | None = None

    async def answer(self) -> Answer:
        """Return an answer at most `fresh` seconds old; raises `TimeoutError`, or the error of the call."""
        future, since = self._current()
        waiting = asyncio.wrap_future(future)
        # The error of an answer that comes too late may have no caller left: read it here, or asyncio logs a traceback.
        waiting.add_done_callback(lambda future: future.cancelled() or future.exception())
        left = max(0.0, since + self._patience - time.monotonic())
        return await asyncio.wait_for(asyncio.shield(waiting), left)

    def _current(self) -> tuple[Future[Answer], float]:
        with self._lock:
            now = time.monotonic()
            if self._future is None or (self._future.done() and now - self._since > self._fresh):
                self._future, self._since = Future(), now
                threading.Thread(target=self._run, args=(self._future,), name=self._name, daemon=True).start()
            return self._future, self._since

    def _run(self, future: Future[Answer]) -> None:
        try:
            future.set_result(self._call())
        except Exception as error:
            future.set_exception(error)
