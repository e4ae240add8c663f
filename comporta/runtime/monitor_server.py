"""Health and metrics of a process without the page, on a port of their own."""

from __future__ import annotations

import socket
from collections.abc import Iterable

import structlog
import uvicorn
from fastapi import FastAPI

from comporta.runtime.settings import PREFIX, SettingsError
from comporta.web.health import health_router
from comporta.web.listening import listen
from control.monitor import Monitor

__all__ = ["MonitorServer", "check_ports"]

log = structlog.get_logger(__name__)


class MonitorServer:
    """Listens from the beginning; raises `SettingsError` if it can't."""

    def __init__(self, host: str, port: int, monitor: Monitor) -> None:
        self._socket = _listen(host, port)
        app = FastAPI(openapi_url=None)
        app.include_router(health_router(monitor))
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)

    def run(self) -> None:
        """Serves until stopped."""
        host, port = self._socket.getsockname()[:2]
        log.info("metrics", host=host, port=port)
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """Ends `run`."""
        self._server.should_exit = True


def check_ports(host: str, ports: Iterable[int]) -> None:
    """Raises `SettingsError` with the first port that can't be listened on."""
    for port in ports:
        _listen(host, port).close()


def _listen(host: str, port: int) -> socket.socket:
    try:
        return listen(host, port)
    except OverflowError:
        raise SettingsError(f"{PREFIX}METRICS_PORT: {port} is beyond 65535; choose a lower first port") from None
    except OSError as error:
        raise SettingsError(
            f"{PREFIX}METRICS_PORT: {host}:{port} can't be listened on ({error.strerror}); choose another port"
        ) from None
