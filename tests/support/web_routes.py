"""Routes of the application, and what each answers to the holder of a token."""

from __future__ import annotations

import re

import httpx
from fastapi.routing import iter_route_contexts

from tests.support.auth_client import bearer
from tests.support.web_harness import WebHarness

__all__ = ["ENDLESS", "OPEN", "Route", "routes", "statuses"]

OPEN = {
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("HEAD", "/healthz"),
    ("HEAD", "/readyz"),
    ("HEAD", "/metrics"),
    ("GET", "/login"),
    ("HEAD", "/login"),
    ("POST", "/login"),
    ("POST", "/logout"),
    ("GET", "/preferences"),
    ("GET", "/docs/reasons"),
    ("HEAD", "/docs/reasons"),
    ("GET", "/docs/warnings"),
    ("HEAD", "/docs/warnings"),
    ("GET", "/static/{name:path}"),
}
# What answers without an end, and is therefore asked only by those whom the gate refuses.
ENDLESS = {("GET", "/api/events"), ("GET", "/api/tail")}
Route = tuple[str, str]


def routes(web: WebHarness) -> set[Route]:
    """The method and the path of each."""
    found = iter_route_contexts(web.own_app.routes)
    return {(method, route.path) for route in found for method in route.methods or ()}


async def statuses(client: httpx.AsyncClient, wanted: set[Route], token: str | None) -> dict[Route, int]:
    """Return the answer of each route to the holder of this token."""
    headers = {} if token is None else bearer(token)
    found = {}
    for method, path in sorted(wanted):
        answer = await client.request(method, re.sub(r"\{[^}]+\}", "x", path), headers=headers)
        found[method, path] = answer.status_code
    return found
