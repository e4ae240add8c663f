"""Lossy proxy: loses the broker's answer to one publish."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Sequence
from types import TracebackType

from tests.support.services.proxy import Proxy

__all__ = ["LossyProxy"]

_CHUNK = 65_536


class LossyProxy(Proxy):
    """Proxy that forwards everything until a client sends certain bytes: those arrive, and no answer comes back."""

    def __init__(self, target_port: int, marker: bytes) -> None:
        super().__init__(target_port)
        self._marker = marker
        self._unheard: socket.socket | None = None
        self._started: list[subprocess.Popen[str]] = []

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._started:
            process.kill()
            process.wait()
        super().__exit__(kind, error, trace)

    def start(self, command: Sequence[str]) -> subprocess.Popen[str]:
        """Start a client that ends with this block."""
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True)
        self._started.append(process)
        return process

    async def _pump(self, source: socket.socket, sink: socket.socket, *, answers: bool) -> None:
        while data := await self._loop.sock_recv(source, _CHUNK):
            if self._unheard is None and self._marker in data:
                # Only this connection: the next one is as good as new.
                self._unheard = sink
            if source is not self._unheard:
                await self._loop.sock_sendall(sink, data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
