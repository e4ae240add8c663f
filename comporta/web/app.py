"""Application: one router a resource, one form for errors."""

from __future__ import annotations

from fastapi import FastAPI

from comporta.runtime.monitor_server import health_router
from comporta.runtime.settings import program_version
from comporta.web.api.events import events_router
from comporta.web.api.ledger import ledger_router
from comporta.web.api.missed import missed_router
from comporta.web.api.orders import orders_router
from comporta.web.api.quarantine import quarantine_router
from comporta.web.api.repairs import repairs_router
from comporta.web.api.search import search_router
from comporta.web.api.status import status_router
from comporta.web.api.stream import streaming_router
from comporta.web.api.switches import switching_router
from comporta.web.context import AppContext
from comporta.web.openapi import describe_errors, docs_router
from comporta.web.pages.router import install_page
from comporta.web.problems import act_refused, install_problems
from rules.actions import ActionError

__all__ = ["create_app"]


def create_app(context: AppContext) -> FastAPI:
    """Build the application; it does not authenticate: `guard` puts the gate before it."""
    app = FastAPI(title="Comporta", version=program_version(), docs_url=None, redoc_url=None)
    install_problems(app)
    describe_errors(app)
    app.add_exception_handler(ActionError, act_refused)
    for router in (
        status_router(context.views),
        missed_router(context.views, context.acting),
        quarantine_router(context.views, context.acting),
        orders_router(context.views, context.acting),
        repairs_router(context.repairs),
        ledger_router(context.views),
        search_router(context.views),
        streaming_router(context.live),
        switching_router(context.switchboard),
        events_router(context.publish, context.foresee),
        health_router(context.monitor),
        docs_router(),
    ):
        app.include_router(router)
    # Last, so that every error already has its handler.
    install_page(app, context)
    return app
