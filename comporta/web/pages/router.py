"""The page: every door of it, and errors in its design."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from inspect import isawaitable
from typing import Any, Protocol

import orjson
from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from comporta.web.pages.errors import error_page, wants_html
from comporta.web.pages.missed import missed_router
from comporta.web.pages.orders import orders_router
from comporta.web.pages.overview import overview_router
from comporta.web.pages.preferences import preferences_router
from comporta.web.pages.prolonging import prolonging_router
from comporta.web.pages.quarantine import quarantine_router
from comporta.web.pages.rendering import Pages
from comporta.web.pages.static_files import assets_router
from comporta.web.pages.switch import switch_router
from control.actions import Acting
from control.switchboard import Switchboard
from storage.repairs import Repairs
from storage.views import Views

__all__ = ["install_page"]

Handler = Callable[[Request, Any], Response | Awaitable[Response]]


class Doors(Protocol):
    """What the page leads to."""

    @property
    def views(self) -> Views:
        """What is looked at."""

    @property
    def switchboard(self) -> Switchboard:
        """What turns switches."""

    @property
    def acting(self) -> Acting:
        """What else is done."""

    @property
    def repairs(self) -> Repairs:
        """The repair sheets."""

    @property
    def lags(self) -> Callable[[], Mapping[str, float]]:
        """How many seconds events take just now, by domain, where this process knows it."""

    @property
    def label(self) -> str | None:
        """The environment's name."""


def install_page(app: FastAPI, doors: Doors) -> None:
    """Adds the page to an application whose errors are problem details already."""
    pages = Pages(doors.views.status, doors.label)
    for room in (
        assets_router(),
        preferences_router(),
        overview_router(pages, doors.views, doors.lags),
        orders_router(pages, doors.views, doors.acting),
        missed_router(pages, doors.views, doors.acting, doors.repairs),
        quarantine_router(pages, doors.views, doors.acting),
        switch_router(pages, doors.switchboard, doors.views.cost),
        prolonging_router(pages, doors.switchboard),
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
