"""The page: every door of it, and errors in its design."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from inspect import isawaitable
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from comporta.web.context import AppContext
from comporta.web.pages.errors import error_page, wants_html
from comporta.web.pages.missed import missed_router
from comporta.web.pages.orders import orders_router
from comporta.web.pages.overview import overview_router
from comporta.web.pages.preferences import preferences_router
from comporta.web.pages.quarantine import quarantine_router
from comporta.web.pages.rendering import Pages
from comporta.web.pages.static_files import assets_router
from comporta.web.pages.switch import prolonging_router, switch_router
from comporta.web.pages.versions import versions_router

__all__ = ["install_page"]

Handler = Callable[[Request, Any], Response | Awaitable[Response]]


def install_page(app: FastAPI, context: AppContext) -> None:
    """Adds the page to an application whose errors are problem details already."""
    pages = Pages(context.views.status, context.label)
    for room in (
        assets_router(),
        preferences_router(),
        overview_router(pages, context.views, context.lags),
        orders_router(pages, context.views, context.actions),
        missed_router(pages, context.views, context.actions, context.repairs),
        quarantine_router(pages, context.views, context.actions),
        switch_router(pages, context.switchboard, context.views.cost),
        prolonging_router(pages, context.switchboard),
        versions_router(pages, context.actions),
    ):
        app.include_router(room)
    for kind, handler in list(app.exception_handlers.items()):
        app.add_exception_handler(kind, _for_people(handler))


def _for_people(handler: Handler) -> Handler:
    """The same error, as a page where a person asks."""

    async def handle(request: Request, error: Exception) -> Response:
        answer = handler(request, error)
        answer = await answer if isawaitable(answer) else answer
        if not wants_html(request):
            return answer
        detail = "" if _says_nothing(error) else str(orjson.loads(answer.body).get("detail", ""))
        kept = {name: answer.headers[name] for name in ("retry-after", "allow") if name in answer.headers}
        return await run_in_threadpool(error_page, request, answer.status_code, detail, kept)

    return handle


def _says_nothing(error: Exception) -> bool:
    """Whether it is the framework's own error, which only repeats what its status means."""
    return isinstance(error, HTTPException) and error.detail == HTTPStatus(error.status_code).phrase
