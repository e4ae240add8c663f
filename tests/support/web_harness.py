"""Web application with the database behind it, without a network."""

from __future__ import annotations

import asyncio
import csv
import io
from contextvars import ContextVar
from dataclasses import fields
from functools import cache, cached_property
from operator import attrgetter
from typing import Any
from urllib.parse import urljoin

import httpx
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from comporta.runtime.health import ConsumptionProbe, Monitor, ReadinessProbe
from comporta.runtime.metrics import Exposition
from comporta.web.app import create_app
from comporta.web.context import AppContext
from comporta.web.live import LiveFeed
from comporta.web.off_history import OffHistory
from comporta.web.request import LOCAL, Identity
from control.actions import OperatorActions
from control.quarantine_edit import QuarantineEdits
from control.quarantine_jobs import QuarantineJobs
from producers.messages import Fate, OutgoingMessage, PublishResult
from storage.database import open_database
from storage.order_store import OrderStore
from storage.quarantine_notes import QuarantineNotes
from storage.repairs import Repairs
from tests.support.views_harness import ViewsHarness

__all__ = ["WebHarness", "signed_in_as"]


# Context of the request that is answered; none while the routes are built.
_context: ContextVar[AppContext | None] = ContextVar("context", default=None)


class _Part:
    """Part of a context, looked up when a route uses it: the routes of one application serve all tests of a process."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __getattr__(self, name: str) -> Any:
        path = f"{self._path}.{name}"
        return _Part(path) if (context := _context.get()) is None else attrgetter(path)(context)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return attrgetter(self._path)(_context.get())(*arguments, **named)


@cache
def _app() -> FastAPI:
    """Build the application once: to build its routes takes longer than most tests."""
    own: Any = {field.name: _Part(field.name) for field in fields(AppContext) if field.name != "label"}
    outer = _context.set(None)
    try:
        return create_app(AppContext(**own))
    finally:
        _context.reset(outer)


class WebHarness:
    """Application as a program sees it; messages it publishes are confirmed, and kept in `published`."""

    def __init__(self, url: str) -> None:
        self.database = open_database(url)
        self.storage = ViewsHarness(url)
        self.published: list[OutgoingMessage] = []
        self.live = LiveFeed(self.database.views)
        self.edits = QuarantineEdits(self.database.fence, self.publish, allowed=False)
        self.context = AppContext(
            views=self.database.views,
            live=self.live,
            off_history=OffHistory(self.database.views),
            switchboard=self.storage.switchboard,
            monitor=Monitor(
                dict,
                ReadinessProbe({"broker": lambda: None, "database": lambda: None}),
                ConsumptionProbe(self.database.views.health, ()),
                Exposition(None, None),
            ),
            publish=self.publish,
            predict_outcomes=self.database.dry_run.predict,
            stored_versions=self.database.dry_run.stored_versions,
            place_orders=OrderStore(self.database.fence, "http").place,
            actions=OperatorActions(self.database, self.publish),
            repairs=Repairs(self.database.fence),
            jobs=QuarantineJobs(self.database.fence),
            notes=QuarantineNotes(self.database.fence),
            edits=self.edits,
            watch=self.database.watch,
        )
        self.app: ASGIApp = self._shared_app

    @cached_property
    def own_app(self) -> FastAPI:
        """Application of this test alone, for what reads its routes or adds to them."""
        return create_app(self.context)

    async def _shared_app(self, scope: Scope, receive: Receive, send: Send) -> None:
        _context.set(self.context)
        await _app()(scope, receive, send)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send one request to the application."""
        return asyncio.run(self._request(method, path, options))

    async def _request(self, method: str, path: str, options: dict[str, Any]) -> httpx.Response:
        # What an error does to a browser is looked at here; the error itself is in the log.
        transport = httpx.ASGITransport(signed_in_as(self.app, LOCAL), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, **options)

    def publish(self, messages: Any) -> list[PublishResult]:
        """Confirm every message."""
        self.published += messages
        return [PublishResult(message, Fate.CONFIRMED, "") for message in messages]

    def get(self, path: str, **params: Any) -> Any:
        """Return the JSON of a route; fail unless it answers 200."""
        answer = self.request("GET", path, params=params or None)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def bad_request(self, path: str, **params: Any) -> str:
        """Return the detail of the problem that a route answers with 400."""
        answer = self.request("GET", path, params=params or None)
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json"), answer.text
        problem = answer.json()
        assert problem["status"] == 400
        return str(problem["detail"])

    def csv(self, path: str, **params: Any) -> list[dict[str, str]]:
        """Return the rows of a CSV download."""
        answer = self.request("GET", path, params={**params, "format": "csv"})
        assert answer.status_code == 200, answer.text
        return list(csv.DictReader(io.StringIO(answer.text, newline="")))

    def follow(self, path: str, rel: str = "next") -> tuple[list[Any], str | None]:
        """Return a page, and the target of its link of this relation."""
        answer = self.request("GET", path)
        assert answer.status_code == 200, answer.text
        link = answer.links.get(rel)
        return answer.json(), None if link is None else urljoin(path, link["url"])

    def close(self) -> None:
        """Close the database."""
        self.database.close()
        self.storage.engine.dispose()


def signed_in_as(app: ASGIApp, identity: Identity) -> ASGIApp:
    """Show the application as one person sees it, without the authentication in front of it."""

    async def signed_in(scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["who"] = identity
        await app(scope, receive, send)

    return signed_in
