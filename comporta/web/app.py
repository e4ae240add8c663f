"""FastAPI application: one router per resource, and problem details for every error."""

from __future__ import annotations

from fastapi import FastAPI

from comporta.runtime.monitor_server import health_router
from comporta.runtime.release import program_version
from comporta.web.api.events import events_router
from comporta.web.api.feeds import feeds_router
from comporta.web.api.items import items_router
from comporta.web.api.ledger import ledger_router
from comporta.web.api.loads import loads_router
from comporta.web.api.missed import missed_router
from comporta.web.api.order_changes import order_changes_router
from comporta.web.api.order_intake import order_intake_router
from comporta.web.api.orders import orders_router
from comporta.web.api.pauses import pauses_router
from comporta.web.api.person import person_router
from comporta.web.api.quarantine import quarantine_router
from comporta.web.api.quarantine_changes import quarantine_changes_router
from comporta.web.api.quarantine_jobs import quarantine_jobs_router
from comporta.web.api.repairs import repairs_router
from comporta.web.api.search import search_router
from comporta.web.api.shops import shops_router
from comporta.web.api.status import status_router
from comporta.web.api.stream import stream_router
from comporta.web.api.switches import switches_router
from comporta.web.api.tail import tail_router
from comporta.web.api.unknown_fields import unknown_fields_router
from comporta.web.api.versions import versions_router
from comporta.web.context import AppContext
from comporta.web.openapi import describe_errors, docs_router
from comporta.web.pages.router import page_routers, show_errors_as_pages
from comporta.web.problems import action_refused, install_problems
from comporta.web.reasons import reasons_router
from rules.actions import ActionError

__all__ = ["create_app"]


def create_app(context: AppContext) -> FastAPI:
    """Build the application; it does not authenticate: `secure` wraps it in `AuthMiddleware`."""
    app = FastAPI(title="Comporta", version=program_version(), docs_url=None, redoc_url=None)
    install_problems(app)
    describe_errors(app)
    app.add_exception_handler(ActionError, action_refused)
    show_errors_as_pages(app)
    for router in (
        status_router(context.views),
        shops_router(context.actions.shops),
        person_router(context.actions.people),
        missed_router(context.views, context.actions),
        quarantine_jobs_router(context.jobs),
        quarantine_changes_router(context.notes, context.edits),
        quarantine_router(context.views, context.actions),
        orders_router(context.views, context.actions),
        order_changes_router(context.views, context.actions),
        repairs_router(context.repairs),
        loads_router(context.views, context.actions),
        pauses_router(context.views.pauses),
        versions_router(context.actions),
        ledger_router(context.views),
        unknown_fields_router(context.views),
        feeds_router(context.views),
        items_router(context.views.history),
        search_router(context.views),
        stream_router(context.live),
        tail_router(context.watch, context.live),
        switches_router(context.switchboard),
        events_router(context.publish, context.predict_outcomes, context.stored_versions),
        order_intake_router(context.place_orders, context.predict_outcomes, context.stored_versions),
        health_router(context.monitor),
        docs_router(),
        reasons_router(),
        *page_routers(context),
    ):
        # `include_router` would build each route once more, at the first request: half of a start's time.
        app.router.routes.extend(router.routes)
    return app
