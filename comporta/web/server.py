"""Serves the page and the API in a thread of a process that does more than that."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path

import structlog
import uvicorn
from fastapi import FastAPI
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp

from comporta.runtime.metrics import RecentLags
from comporta.runtime.monitor_server import listen
from comporta.runtime.process import Host, Serve
from comporta.runtime.settings import PREFIX, Settings, SettingsError
from comporta.web.access import Access, open_access
from comporta.web.app import create_app
from comporta.web.auth import AuthMiddleware
from comporta.web.context import AppContext
from comporta.web.live import LiveFeed
from comporta.web.middleware import RootPath, SecurityHeaders
from comporta.web.pages.login import login_router
from comporta.web.session import LoginLimiter, SessionCookie
from control.actions import OperatorActions
from control.auth.local_token import delete_local_token, save_local_token
from producers.messages import OutgoingMessage, PublishResult
from producers.publisher import Publisher
from storage.repairs import Repairs

__all__ = ["WebServer", "bind", "secure", "web_server"]


log = structlog.get_logger(__name__)

# Who asks over HTTP does not wait for long: 503, and the same again later.
_HTTP_DEADLINE = 5.0
# … and not for long either for an act on many: it is told what is left.
_HTTP_SECONDS = 20.0


def web_server(settings: Settings) -> Serve:
    """Check who may log in, before the database is waited for; the result starts the server. Raises `SettingsError`."""
    access = open_access(settings)
    return lambda host: WebServer(access, host)


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

    def __init__(self, access: Access, host: Host) -> None:
        settings = host.settings
        self._publisher = Publisher(settings.broker_url, name="events", deadline=_HTTP_DEADLINE)
        context = _context(host, self._publisher)
        self._socket = bind(settings)
        self.port: int = self._socket.getsockname()[1]
        self._token = access.token
        self._live = context.live
        address = settings.admin_address(self.port)
        self.link = access.link(address)
        self._page = f"{access.public_address(address)}/"
        config = uvicorn.Config(
            secure(create_app(context), access, self.port),
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
                delete_local_token(kept, self._token)

    def stop(self) -> None:
        """Ends streams, lets running requests end, then ends `run`."""
        self._server.should_exit = True
        self._live.close()

    def close(self) -> None:
        """Close the connection to the broker, once `run` has ended."""
        self._publisher.close()

    def _keep(self) -> Path | None:
        # For the commands that the same user gives on the same machine.
        return None if self._token is None else save_local_token(self.port, self._token)


def secure(app: FastAPI, access: Access, port: int) -> ASGIApp:
    """The application with a gate, a login and safe headers; `port` is where it listens."""
    cookie, attempts = SessionCookie(access.place, port), LoginLimiter()
    app.include_router(login_router(access, cookie, attempts))
    guarded: ASGIApp = AuthMiddleware(app, access, cookie, attempts)
    # Without operators a page elsewhere must not reach us through a name that resolves to loopback.
    guarded = TrustedHostMiddleware(guarded, allowed_hosts=list(access.hosts), www_redirect=False)
    if access.place.root:
        guarded = RootPath(guarded, access.place.root)
    return SecurityHeaders(guarded)


def _context(host: Host, publisher: Publisher) -> AppContext:
    def publish(messages: Sequence[OutgoingMessage]) -> list[PublishResult]:
        return list(publisher.publish_all(messages))

    views = host.database.views
    return AppContext(
        views=views,
        live=LiveFeed(views, host.monitor.readiness.check),
        switchboard=host.switchboard,
        monitor=host.monitor,
        publish=publish,
        foresee=host.database.foresight.outcomes,
        acting=OperatorActions(host.database, publish, _HTTP_SECONDS),
        repairs=Repairs(host.database.fence),
        label=host.settings.admin_label,
        lags=RecentLags(host.work).read if host.work is not None else dict,
    )
