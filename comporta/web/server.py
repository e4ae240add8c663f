"""Web server: uvicorn with the page and the API, in a thread of the process."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from datetime import timedelta
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

# Seconds until an unconfirmed publish is answered with 503; the client repeats the request later.
_HTTP_DEADLINE = 5.0
# Seconds for an action on many messages; the answer then counts those left.
_ACTION_SECONDS = 20.0


def web_server(settings: Settings) -> Serve:
    """Check who may log in, before the database is waited for; the result starts the server. Raises `SettingsError`."""
    access = open_access(settings)
    return lambda host: WebServer(access, host)


def bind(settings: Settings) -> socket.socket:
    """Open a listening socket on the admin address; raises `SettingsError` if that fails."""
    host, port = settings.admin_host, settings.admin_port
    try:
        return listen(host, port)
    except OSError as error:
        raise SettingsError(
            f"{PREFIX}ADMIN_PORT: {host}:{port} can't be listened on ({error.strerror}); choose another port"
        ) from None


class WebServer:
    """uvicorn without its signal handlers; `link` is the login link, None with an operators file."""

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
        """Serve until stopped."""
        token_file = self._save_token()
        log.info("listening", port=self.port, page=self._page)
        try:
            self._server.run(sockets=[self._socket])
        finally:
            if token_file is not None and self._token is not None:
                delete_local_token(token_file, self._token)

    def stop(self) -> None:
        """End the streams, let running requests finish, then end `run`."""
        self._server.should_exit = True
        self._live.close()

    def close(self) -> None:
        """Close the connection to the broker, once `run` has ended."""
        self._publisher.close()

    def _save_token(self) -> Path | None:
        # The same user's commands on this machine read the token from this file.
        return None if self._token is None else save_local_token(self.port, self._token)


def secure(app: FastAPI, access: Access, port: int) -> ASGIApp:
    """Wrap the application in authentication, login and security headers; `port` is the listening port."""
    cookie, limiter = SessionCookie(access.public_url, port), LoginLimiter()
    app.include_router(login_router(access, cookie, limiter))
    secured: ASGIApp = AuthMiddleware(app, access, cookie, limiter)
    # DNS rebinding: without operators, another site must not reach us through a name that resolves to loopback.
    secured = TrustedHostMiddleware(secured, allowed_hosts=list(access.hosts), www_redirect=False)
    if access.public_url.root:
        secured = RootPath(secured, access.public_url.root)
    return SecurityHeaders(secured)


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
        predict_outcomes=host.database.dry_run.predict,
        stored_versions=host.database.dry_run.stored_versions,
        actions=OperatorActions(
            host.database, publish, _ACTION_SECONDS, resync_after=timedelta(seconds=host.settings.resync_after)
        ),
        repairs=Repairs(host.database.fence),
        label=host.settings.admin_label,
        lags=RecentLags(host.work).read if host.work is not None else dict,
    )
