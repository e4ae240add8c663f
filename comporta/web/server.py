"""Serves the page and the API in a thread of a process that does more than that."""

from __future__ import annotations

import socket
from pathlib import Path

import structlog
import uvicorn

from comporta.runtime.settings import PREFIX, Settings, SettingsError
from comporta.web.access import Access
from comporta.web.app import Doors, create_app
from comporta.web.guard import guard
from comporta.web.listening import listen
from control.auth.local_token import forget_link, keep_link

__all__ = ["WebServer", "bind"]

log = structlog.get_logger(__name__)


def bind(settings: Settings) -> socket.socket:
    """A listening socket on the admin address; raises `SettingsError` if it can't be had."""
    host, port = settings.admin_host, settings.admin_port
    try:
        return listen(host, port)
    except OSError as error:
        raise SettingsError(
            f"{PREFIX}ADMIN_PORT: {host}:{port} can't be listened on ({error.strerror}); choose another port"
        ) from None


class WebServer:
    """uvicorn without its signal handlers; `link` lets its holder in, where there are no operators."""

    def __init__(self, settings: Settings, access: Access, doors: Doors) -> None:
        self._socket = bind(settings)
        self.port: int = self._socket.getsockname()[1]
        self._token = access.token
        self._live = doors.live
        address = settings.admin_address(self.port)
        self.link = access.link(address)
        self._page = f"{access.public_address(address)}/"
        config = uvicorn.Config(
            guard(create_app(doors), access, self.port),
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=3,
            timeout_keep_alive=30,
        )
        self._server = uvicorn.Server(config)

    def run(self) -> None:
        """Serves until stopped."""
        kept = self._keep()
        log.info("listening", port=self.port, page=self._page)
        try:
            self._server.run(sockets=[self._socket])
        finally:
            if kept is not None and self._token is not None:
                forget_link(kept, self._token)

    def stop(self) -> None:
        """Ends streams, lets running requests end, then ends `run`."""
        self._server.should_exit = True
        self._live.close()

    def _keep(self) -> Path | None:
        # For the commands that the same user gives on the same machine.
        return None if self._token is None else keep_link(self.port, self._token)
