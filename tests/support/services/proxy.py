"""TCP proxy that fails on demand, in all the ways a network does."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

from tests.support.services.ports import HOST, free_port

__all__ = ["Proxy", "through_all"]

_CHUNK = 65_536
_RESET = struct.pack("ii", 1, 0)


class Proxy:
    """Forwards a loopback port to another; a context manager. What a method changes holds when it returns."""

    def __init__(self, target_port: int, host: str = HOST) -> None:
        self.target_port = target_port
        self.host = host
        self.port = free_port()
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._deaf = False
        self._refusing = False
        self._loop = asyncio.new_event_loop()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, self.port), family=family, backlog=128)
        self._listener.setblocking(False)
        self._thread = threading.Thread(target=self._run, name=f"proxy-{self.port}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def through(self, url: str) -> str:
        """A URL of the target, changed to lead through the proxy."""
        parts = urlsplit(url)
        login = parts.netloc.rpartition("@")[0]
        return urlunsplit(parts._replace(netloc=f"{login}@{HOST}:{self.port}" if login else f"{HOST}:{self.port}"))

    @property
    def node(self) -> str:
        """Host and port as they stand in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def connections(self) -> int:
        """How many connections lead through it now."""
        return len(self._pairs)

    def drop_server_to_client(self) -> None:
        """Lose what the server answers, while what the client says arrives."""
        self._call(self._set(deaf=True))

    def freeze(self) -> None:
        """Hold everything back, both ways, with the connections open."""
        self._call(self._set(flowing=False))

    def cut(self) -> None:
        """Reset every connection; new ones are taken."""
        self._call(self._reset())

    def refuse(self) -> None:
        """Reset every connection, and each new one at once, until `resume`."""
        self._call(self._set(refusing=True))
        self.cut()

    def resume(self) -> None:
        """Forward again as at the beginning; what was held back goes on, what was lost stays lost."""
        self._call(self._set(flowing=True, deaf=False, refusing=False))

    def _call(self, action: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(action, self._loop).result(timeout=10)

    async def _set(
        self, *, flowing: bool | None = None, deaf: bool | None = None, refusing: bool | None = None
    ) -> None:
        self._deaf = self._deaf if deaf is None else deaf
        self._refusing = self._refusing if refusing is None else refusing
        if flowing is not None:
            (self._flowing.set if flowing else self._flowing.clear)()

    async def _reset(self) -> None:
        for pair in self._pairs:
            _reset_on_close(*pair)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _run(self) -> None:
        accepting = self._loop.create_task(self._accept())
        self._loop.run_forever()
        accepting.cancel()
        self._loop.run_until_complete(self._reset())
        self._loop.run_until_complete(asyncio.gather(accepting, return_exceptions=True))
        self._listener.close()
        self._loop.close()

    async def _accept(self) -> None:
        while True:
            client, _ = await self._loop.sock_accept(self._listener)
            if self._refusing:
                _reset_on_close(client)
                client.close()
                continue
            task = self._loop.create_task(self._serve(client))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, client: socket.socket) -> None:
        server = socket.socket()
        pair = client, server
        self._pairs.add(pair)
        try:
            for end in pair:
                end.setblocking(False)
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._flowing.wait()
            await self._loop.sock_connect(server, (HOST, self.target_port))
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(client, server, answers=False))
                both.create_task(self._pump(server, client, answers=True))
        except* OSError:
            _reset_on_close(*pair)
        finally:
            self._pairs.discard(pair)
            client.close()
            server.close()

    async def _pump(self, source: socket.socket, sink: socket.socket, *, answers: bool) -> None:
        while True:
            data = await self._loop.sock_recv(source, _CHUNK)
            await self._flowing.wait()
            if answers and self._deaf:
                if not data:
                    return
                continue
            if not data:
                with contextlib.suppress(OSError):
                    sink.shutdown(socket.SHUT_WR)
                return
            await self._loop.sock_sendall(sink, data)


def through_all(url: str, *proxies: Proxy) -> str:
    """A URL that names the proxies as nodes of one cluster."""
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    nodes = ",".join(proxy.node for proxy in proxies)
    return urlunsplit(parts._replace(netloc=f"{login}@{nodes}" if login else nodes))


def _reset_on_close(*ends: socket.socket) -> None:
    # Closing without lingering sends a reset instead of what is left to send.
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
