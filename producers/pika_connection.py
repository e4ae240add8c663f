"""pika's SelectConnection, with two things more: many frames in one write, and an end without a farewell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pika

__all__ = ["CorkedConnection"]


class CorkedConnection(pika.SelectConnection):
    """For whoever publishes much: pika writes each frame to the socket apart, three a message."""

    _held: list[bytes] | None = None

    @contextmanager
    def corked(self) -> Iterator[None]:
        """Holds back what is sent inside the block, and writes it as one."""
        held: list[bytes] = []
        self._held = held
        try:
            yield
        finally:
            self._held = None
            if held:
                self._adapter_emit_data(b"".join(held))

    def abandon(self, error: Exception) -> None:
        """Ends the connection at once: a peer that does not answer would not answer a farewell either."""
        if not self.is_closed:
            self._terminate_stream(error)

    def _adapter_emit_data(self, data: bytes) -> None:
        if self._held is not None:
            self._held.append(data)
        else:
            super()._adapter_emit_data(data)
