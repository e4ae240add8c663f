"""Every route there is, asked by nobody, by a viewer and by an operator."""

from __future__ import annotations

import asyncio
import re

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from comporta.web.access import Access
from comporta.web.server import secure
from tests.support.auth_client import HOST, PORT, bearer
from tests.support.web_harness import WebHarness

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
ENDLESS = ("GET", "/api/events")
Route = tuple[str, str]


@pytest.fixture
def guarded(sqlite_web: WebHarness, operators_access: Access) -> httpx.AsyncClient:
    """The whole application behind its gate, asked by a program."""
    transport = httpx.ASGITransport(secure(sqlite_web.app, operators_access, PORT), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=HOST)


def routes(web: WebHarness) -> set[Route]:
    """The method and the path of each."""
    found = iter_route_contexts(web.app.routes)
    return {(method, route.path) for route in found for method in route.methods or ()}


async def statuses(client: httpx.AsyncClient, wanted: set[Route], token: str | None) -> dict[Route, int]:
    """What each route answers to the holder of this token."""
    headers = {} if token is None else bearer(token)
    found = {}
    for method, path in sorted(wanted):
        answer = await client.request(method, re.sub(r"\{[^}]+\}", "x", path), headers=headers)
        found[method, path] = answer.status_code
    return found


def test_every_route_of_the_application_asks_who_comes(
    sqlite_web: WebHarness, guarded: httpx.AsyncClient, operator: str, viewer: str
) -> None:
    every = routes(sqlite_web)
    assert {
        ("GET", "/"),
        ("GET", "/docs"),
        ("GET", "/openapi.json"),
        ("POST", "/api/pause"),
        ("POST", "/events"),
    } < every
    assert every >= OPEN
    closed = every - OPEN
    looks = {(method, path) for method, path in closed if method in {"GET", "HEAD"}}

    async def steps() -> None:
        nobody = await statuses(guarded, closed, None)
        assert {route for route, status in nobody.items() if status != 401} == set()
        stranger = await statuses(guarded, closed, "comporta_stranger")
        assert {route for route, status in stranger.items() if status != 401} == set()
        looking = await statuses(guarded, looks - {ENDLESS}, viewer)
        assert {route for route, status in looking.items() if status in {401, 403}} == set()
        acting = await statuses(guarded, closed - looks, viewer)
        assert {route for route, status in acting.items() if status != 403} == set()
        may = await statuses(guarded, closed - {ENDLESS}, operator)
        assert {route for route, status in may.items() if status in {401, 403}} == set()
        for status in (await statuses(guarded, OPEN - {("POST", "/login")}, None)).values():
            assert status not in {401, 403}

    asyncio.run(steps())
