"""Routes of the page, and error pages for browsers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from inspect import isawaitable
from typing import Any

import orjson
from fastapi import APIRouter, FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from comporta.web.context import AppContext
from comporta.web.pages.errors import error_page, wants_html
from comporta.web.pages.feeds import feeds_router
from comporta.web.pages.loads import loads_router
from comporta.web.pages.missed import missed_router
from comporta.web.pages.order_changes import order_changes_router
from comporta.web.pages.orders import orders_router
from comporta.web.pages.overview import overview_router
from comporta.web.pages.pause_end import pause_end_router
from comporta.web.pages.pauses import pauses_router
from comporta.web.pages.preferences import preferences_router
from comporta.web.pages.quarantine import quarantine_router
from comporta.web.pages.quarantine_changes import quarantine_changes_router
from comporta.web.pages.quarantine_jobs import quarantine_jobs_router
from comporta.web.pages.renderer import Pages
from comporta.web.pages.shops import shops_router
from comporta.web.pages.static_files import static_router
from comporta.web.pages.switch import switch_router
from comporta.web.pages.unknown_fields import unknown_fields_router
from comporta.web.pages.versions import versions_router

__all__ = ["page_routers", "show_errors_as_pages"]

Handler = Callable[[Request, Any], Response | Awaitable[Response]]


def page_routers(context: AppContext) -> Sequence[APIRouter]:
    """Return the routers of the page."""
    pages = Pages(context.views.status, context.label)
    return (
        static_router(),
        preferences_router(),
        overview_router(pages, context.views, context.off_history),
        orders_router(pages, context.views, context.actions),
        order_changes_router(pages, context.actions),
        missed_router(pages, context.views, context.actions, context.repairs),
        quarantine_jobs_router(pages, context.jobs),
        quarantine_changes_router(pages, context.notes, context.edits),
        quarantine_router(pages, context),
        loads_router(pages, context.views, context.actions),
        pauses_router(pages, context.views.pauses),
        unknown_fields_router(pages, context.views),
        feeds_router(pages, context.views),
        shops_router(pages, context.views),
        switch_router(pages, context.switchboard, context.views.cost),
        pause_end_router(pages, context.switchboard),
        versions_router(pages, context.actions),
    )


def show_errors_as_pages(app: FastAPI) -> None:
    """Let the error handlers that an application has so far answer a browser with a page."""
    for exception, handler in list(app.exception_handlers.items()):
        app.add_exception_handler(exception, _with_error_page(handler))


def _with_error_page(handler: Handler) -> Handler:
    """Return a handler that turns the problem details into a page for browsers."""

    async def handle(request: Request, error: Exception) -> Response:
        result = handler(request, error)
        response = await result if isawaitable(result) else result
        if not wants_html(request):
            return response
        detail = "" if _is_default(error) else str(orjson.loads(response.body).get("detail", ""))
        headers = {name: response.headers[name] for name in ("retry-after", "allow") if name in response.headers}
        return await run_in_threadpool(error_page, request, response.status_code, detail, headers)

    return handle


def _is_default(error: Exception) -> bool:
    """Return whether the error is Starlette's own, whose detail only repeats the status phrase."""
    return isinstance(error, HTTPException) and error.detail == HTTPStatus(error.status_code).phrase
