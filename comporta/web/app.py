"""Puts the application together: each room has a router of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fastapi import FastAPI

from comporta.web.api.acting import act_refused, acting_router
from comporta.web.api.events import Foresee, Publish, events_router
from comporta.web.api.looking import looking_router
from comporta.web.api.reckoning import reckoning_router
from comporta.web.api.stream import streaming_router
from comporta.web.api.switches import switching_router
from comporta.web.docs_page import docs_router
from comporta.web.health import health_router
from comporta.web.live import Live
from comporta.web.openapi import describe_errors
from comporta.web.pages.router import install_page
from comporta.web.problems import install_problems
from control.actions import Acting
from control.monitor import Monitor
from control.switchboard import Switchboard
from control.version import program_version
from rules.actions import ActError
from storage.repairs import Repairs
from storage.views import Views

__all__ = ["Doors", "create_app"]


@dataclass(frozen=True, slots=True)
class Doors:
    """What the API leads to: `monitor` says whether the process is well, `publish` asks the broker.

    `label` names the environment, `lags` says how many seconds events take just now, where this process knows it.
    """

    views: Views
    live: Live
    switchboard: Switchboard
    monitor: Monitor
    publish: Publish
    foresee: Foresee
    acting: Acting
    repairs: Repairs
    label: str | None = None
    lags: Callable[[], Mapping[str, float]] = dict


def create_app(doors: Doors) -> FastAPI:
    """The application; nobody asks who comes: `guard` puts the gate before it."""
    app = FastAPI(title="Comporta", version=program_version(), docs_url=None, redoc_url=None)
    install_problems(app)
    describe_errors(app)
    app.add_exception_handler(ActError, act_refused)
    app.include_router(looking_router(doors.views))
    app.include_router(reckoning_router(doors.views))
    app.include_router(streaming_router(doors.live))
    app.include_router(switching_router(doors.switchboard))
    app.include_router(acting_router(doors.acting, doors.repairs))
    app.include_router(events_router(doors.publish, doors.foresee))
    app.include_router(health_router(doors.monitor))
    app.include_router(docs_router())
    # Last, so that every error already has its handler.
    install_page(app, doors)
    return app
