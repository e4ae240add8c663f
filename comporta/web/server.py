"""Web server: the page and the API, in a thread of the process."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import timedelta
from os import getpid
from pathlib import Path

# Loaded before the threads begin: the lists need it, and while one thread loads the object mapper that it brings, a
# statement that another thread builds meets the half-loaded mapper, fails, and ends the process.
import sqlakeyset  # noqa: F401
import structlog
from fastapi import FastAPI
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp

# Loaded with the server: the first request that needs them would wait.
import storage.views.asked
import storage.views.bodies
import storage.views.suggestions  # noqa: F401
from comporta.runtime.http.limits import HttpLimits
from comporta.runtime.http.server import http_server
from comporta.runtime.monitor_server import HEALTH_ROUTES, listen
from comporta.runtime.process import Host, Serve
from comporta.runtime.resync_publish import resync_publish
from comporta.runtime.settings import PREFIX, Settings, SettingsError
from comporta.web.access import Access, open_access
from comporta.web.app import create_app
from comporta.web.auth import AuthMiddleware
from comporta.web.context import AppContext
from comporta.web.failed_logins import FailedLogins
from comporta.web.live import LiveFeed
from comporta.web.middleware import RootPath, SecurityHeaders
from comporta.web.off_history import OffHistory
from comporta.web.pages.login import login_router
from comporta.web.preparation import prepare_in_background
from comporta.web.session import LoginLimiter, SessionCookie
from control.actions import OperatorActions
from control.auth.local_token import delete_local_token, save_local_token
from control.quarantine_edit import QuarantineEdits
from control.quarantine_jobs import QuarantineJobs
from producers.messages import OutgoingMessage, PublishResult
from producers.publisher import Publisher
from storage.order_store import OrderStore
from storage.quarantine_notes import QuarantineNotes
from storage.repairs import Repairs

__all__ = ["WebServer", "bind", "secure", "web_server"]


log = structlog.get_logger(__name__)

# Routes that are answered also when every connection is busy.
_RESERVED = HEALTH_ROUTES | {"/api/pause", "/api/resume"}
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
    """Server of the page and the API; `link` is the login link, None with an operators file."""

    def __init__(self, access: Access, host: Host) -> None:
        settings = host.settings
        self._publisher = Publisher(settings.broker_url, name="events", deadline=_HTTP_DEADLINE)
        self._stack = ExitStack()
        context = _context(host, self._publisher, self._stack)
        self._socket = bind(settings)
        self.port: int = self._socket.getsockname()[1]
        self._token = access.token
        self._live = context.live
        self._views = context.views
        address = settings.admin_address(self.port)
        self.link = access.link(address)
        self._page = f"{access.public_address(address)}/"
        failures = FailedLogins()
        host.monitor.exposition.add(failures.registry)
        self._server = http_server(
            secure(create_app(context), access, self.port, failures),
            HttpLimits.of(settings),
            grace=3,
            reserved=_RESERVED,
            root=access.public_url.root,
        )

    def run(self) -> None:
        """Serve until stopped."""
        token_file = self._save_token()
        prepare_in_background(self._views)
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
        self._stack.close()
        self._publisher.close()

    def _save_token(self) -> Path | None:
        # The same user's commands on this machine read the token from this file.
        return None if self._token is None else save_local_token(self.port, self._token)


def secure(app: FastAPI, access: Access, port: int, failures: FailedLogins | None = None) -> ASGIApp:
    """Wrap the application in authentication, login and security headers; `port` is the listening port."""
    cookie, limiter = SessionCookie(access.public_url, port), LoginLimiter(failures)
    app.include_router(login_router(access, cookie, limiter))
    secured: ASGIApp = AuthMiddleware(app, access, cookie, limiter)
    # DNS rebinding: without operators, another site must not reach us through a name that resolves to loopback.
    secured = TrustedHostMiddleware(secured, allowed_hosts=list(access.hosts), www_redirect=False)
    if access.public_url.root:
        secured = RootPath(secured, access.public_url.root)
    return SecurityHeaders(secured)


def _context(host: Host, publisher: Publisher, stack: ExitStack) -> AppContext:
    def publish(messages: Sequence[OutgoingMessage]) -> list[PublishResult]:
        return list(publisher.publish_all(messages))

    views = host.database.views
    return AppContext(
        views=views,
        live=LiveFeed(views, host.monitor.readiness.check, most_readers=host.settings.http_streams),
        off_history=OffHistory(views),
        switchboard=host.switchboard,
        monitor=host.monitor,
        publish=publish,
        predict_outcomes=host.database.dry_run.predict,
        stored_versions=host.database.dry_run.stored_versions,
        place_orders=OrderStore(
            host.database.fence, f"{socket.gethostname()}-{getpid()}-http", shop_rules=host.settings.shop_rules
        ).place,
        actions=OperatorActions(
            host.database,
            stack.enter_context(resync_publish(host.settings, publish)),
            _ACTION_SECONDS,
            host.settings.shop_rules,
            resync_after=timedelta(seconds=host.settings.resync_after),
        ),
        repairs=Repairs(host.database.fence),
        jobs=QuarantineJobs(host.database.fence),
        notes=QuarantineNotes(host.database.fence),
        edits=QuarantineEdits(host.database.fence, publish, allowed=host.settings.allow_edit),
        watch=host.database.watch,
        label=host.settings.admin_label,
    )
