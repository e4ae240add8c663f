"""Puts the application together: each room has a router of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.middleware.trustedhost import TrustedHostMiddleware

from control.web.events import Foresee, Publish, events_router
from control.web.health import health_router
from control.web.looking import looking_router
from control.web.ordering import ordering_router
from control.web.switching import switching_router
from storage.errors import StorageError
from storage.switchboard import Switchboard
from storage.views import Views

__all__ = ["Doors", "create_app"]


@dataclass(frozen=True, slots=True)
class Doors:
    """What the API leads to: `alive` says whether the process's loops run, `publish` asks the broker."""

    views: Views
    switchboard: Switchboard
    alive: Callable[[], bool]
    publish: Publish
    foresee: Foresee
    retry_order: Callable[[str, str], bool]


def create_app(doors: Doors, hosts: list[str]) -> FastAPI:
    """The application; `hosts` are the Host headers that are ours."""
    app = FastAPI(title="Comporta", version="0.1.0", docs_url="/docs", redoc_url=None)
    # A page elsewhere must not reach this API through a name that resolves to loopback.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts)
    app.add_exception_handler(StorageError, _unavailable)
    app.include_router(looking_router(doors.views))
    app.include_router(switching_router(doors.switchboard))
    app.include_router(ordering_router(doors.retry_order))
    app.include_router(events_router(doors.publish, doors.foresee))
    app.include_router(health_router(doors.alive))
    return app


def _unavailable(_request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, 503, headers={"Retry-After": "5"})
