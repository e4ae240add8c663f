"""Server with limits: uvicorn with an acceptor of its own, and a check of every connection once a second."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Collection

import structlog
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from comporta.runtime.http.connections import ConnectionTable
from comporta.runtime.http.limits import HttpLimits
from comporta.runtime.http.protocol import LimitedProtocol
from comporta.runtime.http.quiet_log import http_logger
from comporta.runtime.http.turns import Turns

__all__ = ["LimitedServer", "ReservedRoutes", "http_server"]

log = structlog.get_logger(__name__)
_accept_log = http_logger(f"{__name__}.accept")

# Connections accepted before everything else on the event loop has its turn.
_PER_TURN = 16
_CHECK_EVERY = 1.0
# Seconds until the next attempt to accept when the system has run out of descriptors and no connection could give way.
_RETRY_SECONDS = 0.05
_BACKLOG = 1024

MakeProtocol = Callable[[], asyncio.BaseProtocol]


def http_server(
    app: ASGIApp, limits: HttpLimits, *, grace: int, keep_alive: int = 30, reserved: Collection[str], root: str = ""
) -> LimitedServer:
    """Return the server of an application, which answers `reserved` paths below `root` also when it is crowded.

    `grace` is the time for running requests at the end, `keep_alive` that between two requests, in seconds.
    """
    table = ConnectionTable(limits)
    config = uvicorn.Config(
        ReservedRoutes(app, table, frozenset(reserved), root),
        http="h11",
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=grace,
        timeout_keep_alive=keep_alive,
    )
    return LimitedServer(config, limits, table)


class LimitedServer(uvicorn.Server):
    """uvicorn whose connections are bounded in number, time and rate."""

    def __init__(self, config: uvicorn.Config, limits: HttpLimits, table: ConnectionTable) -> None:
        super().__init__(config)
        self._limits = limits
        self._table = table
        self._acceptors: list[_Acceptor] = []
        self._checking: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections on the sockets."""
        # uvicorn's own acceptor, asyncio's, takes thousands of connections before it handles the first, and logs an
        # error for each one beyond the descriptors.
        await super().startup(sockets=[])
        loop = asyncio.get_running_loop()
        turns = Turns(loop)

        def make_protocol() -> LimitedProtocol:
            return LimitedProtocol(
                self.config, self.server_state, self.lifespan.state, loop, self._table, turns, self._limits
            )

        self._acceptors = [_Acceptor(loop, listener, make_protocol, self._table) for listener in sockets or []]
        self._checking = loop.create_task(self._check())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more, and let the running requests finish."""
        for acceptor in self._acceptors:
            acceptor.close()
        await super().shutdown(sockets)
        if self._checking is not None:
            self._checking.cancel()

    async def _check(self) -> None:
        while True:
            await asyncio.sleep(_CHECK_EVERY)
            try:
                self._table.check(time.monotonic())
            except Exception:
                # An error here must not end the task: no connection would ever time out again.
                log.exception("checking the connections failed")


class ReservedRoutes:
    """Middleware that refuses requests while the server is crowded, except those of the reserved paths."""

    def __init__(self, app: ASGIApp, table: ConnectionTable, paths: frozenset[str], root: str) -> None:
        self._app = app
        self._table = table
        self._paths = paths
        self._root = root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with 503."""
        if not self._table.crowded or scope["path"].removeprefix(self._root) in self._paths:
            await self._app(scope, receive, send)
            return
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"retry-after", b"5"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 503, "headers": headers})
        await send({"type": "http.response.body", "body": b"too many connections are busy; try again later"})


class _Acceptor:
    """Acceptor of the connections of one listening socket."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listener: socket.socket,
        make_protocol: MakeProtocol,
        table: ConnectionTable,
    ) -> None:
        self._loop = loop
        self._listener = listener
        self._make_protocol = make_protocol
        self._table = table
        self._opening: set[asyncio.Task[None]] = set()
        listener.setblocking(False)
        listener.listen(_BACKLOG)
        self._resume()

    def close(self) -> None:
        """Accept no more; the socket stays open."""
        if self._listener.fileno() >= 0:
            self._loop.remove_reader(self._listener.fileno())

    def _resume(self) -> None:
        if self._listener.fileno() >= 0:
            self._loop.add_reader(self._listener.fileno(), self._accept)

    def _accept(self) -> None:
        for _ in range(_PER_TURN):
            try:
                connection, _address = self._listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:
                self._exhausted(error)
                return
            connection.setblocking(False)
            task = self._loop.create_task(self._open(connection))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    def _exhausted(self, error: OSError) -> None:
        # Connections that were just accepted are in the table at the next turn of the loop, and can give way then.
        closed = 0 if self._opening else self._table.halve()
        _accept_log.warning("connections can't be accepted: %s; some others are closed", error.strerror)
        self._loop.remove_reader(self._listener.fileno())
        self._loop.call_later(0.0 if closed or self._opening else _RETRY_SECONDS, self._resume)

    async def _open(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._make_protocol, connection)
        except OSError:
            # The client is gone already.
            connection.close()
