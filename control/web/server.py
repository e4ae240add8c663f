"""Serves the API in a thread of a process that does more than that."""

from __future__ import annotations

import ipaddress
import socket

import structlog
import uvicorn

from control.settings import PREFIX, Settings, SettingsError
from control.web.app import Doors, create_app

__all__ = ["WebServer", "bind"]

log = structlog.get_logger(__name__)


def bind(settings: Settings) -> socket.socket:
    """A listening socket on the admin address; raises `SettingsError` if it can't be had."""
    host, port = settings.admin_host, settings.admin_port
    if not _is_loopback(host):
        raise SettingsError(
            f"{PREFIX}ADMIN_HOST: {host} is not a loopback address, and the API asks nobody who they are yet; "
            "use 127.0.0.1 and a proxy that authenticates"
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"{PREFIX}ADMIN_PORT: {host}:{port} can't be listened on ({error.strerror}); choose another port"
        ) from None
    return listener


class WebServer:
    """uvicorn without its signal handlers."""

    def __init__(self, settings: Settings, doors: Doors) -> None:
        self._socket = bind(settings)
        app = create_app(doors, [settings.admin_host, "localhost", "127.0.0.1", "[::1]"])
        config = uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=3, timeout_keep_alive=30
        )
        self._server = uvicorn.Server(config)
        self.port: int = self._socket.getsockname()[1]

    def run(self) -> None:
        """Serves until stopped."""
        log.info("listening", port=self.port)
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """Lets running requests end, then ends `run`."""
        self._server.should_exit = True


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
