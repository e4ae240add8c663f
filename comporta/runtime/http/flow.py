"""Flow control of one connection: reading stops while its input waits to be parsed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from uvicorn.protocols.http.flow_control import FlowControl

__all__ = ["InputFlow"]


class InputFlow(FlowControl):
    """uvicorn's flow control, whose pauses end only when the queued input is parsed as well.

    `resumed` is called when the application takes input again.
    """

    def __init__(self, transport: asyncio.Transport, resumed: Callable[[], None]) -> None:
        super().__init__(transport)
        self._resumed = resumed
        self._held = False

    def hold(self) -> None:
        """Stop reading until `release`."""
        self._held = True
        self._transport.pause_reading()

    def release(self) -> None:
        """Read again, unless uvicorn has paused too."""
        if self._held:
            self._held = False
            if not self.read_paused:
                self._transport.resume_reading()

    def resume_reading(self) -> None:
        """Read again, unless input is held."""
        if self.read_paused:
            self.read_paused = False
            if not self._held:
                self._transport.resume_reading()
            self._resumed()
