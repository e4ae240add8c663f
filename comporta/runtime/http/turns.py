"""Turns of connections on the event loop: input is parsed piece by piece, beginnings of requests first."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

__all__ = ["Parses", "Turns"]

# Seconds of parsing until everything else on the event loop has its turn.
_TURN_SECONDS = 0.005


class Parses(Protocol):
    """Connection with input to parse."""

    def parse_piece(self) -> bool:
        """Parse the next piece of input; return whether more waits."""


class Turns:
    """Queue of connections with input beyond the beginning of a request, which is parsed at once.

    A body of tiny chunks takes a thousand times as long to parse as the same bytes in one piece: without turns, a few
    such bodies would occupy the event loop for seconds.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Callable[[], float] = time.perf_counter) -> None:
        self._loop = loop
        self._clock = clock
        self._waiting: deque[Parses] = deque()
        self._scheduled = False

    def add(self, connection: Parses) -> None:
        """Queue a connection, which has more input than it has parsed."""
        self._waiting.append(connection)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._run)

    def _run(self) -> None:
        end = self._clock() + _TURN_SECONDS
        while self._waiting:
            connection = self._waiting.popleft()
            if connection.parse_piece():
                self._waiting.append(connection)
            if self._clock() >= end:
                break
        self._scheduled = bool(self._waiting)
        if self._scheduled:
            self._loop.call_soon(self._run)
