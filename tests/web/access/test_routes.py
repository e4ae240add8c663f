"""Every route there is, asked by nobody, by a viewer and by an operator."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from comporta.web.access import Access
from comporta.web.server import secure
from tests.support.auth_client import HOST, PORT
from tests.support.web_harness import WebHarness
from tests.support.web_routes import ENDLESS, OPEN, routes, statuses


@pytest.fixture
def guarded(sqlite_web: WebHarness, operators_access: Access) -> httpx.AsyncClient:
    """The whole application behind its gate, asked by a program."""
    transport = httpx.ASGITransport(secure(sqlite_web.own_app, operators_access, PORT), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=HOST)


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
        looking = await statuses(guarded, looks - ENDLESS, viewer)
        assert {route for route, status in looking.items() if status in {401, 403}} == set()
        acting = await statuses(guarded, closed - looks, viewer)
        assert {route for route, status in acting.items() if status != 403} == set()
        may = await statuses(guarded, closed - ENDLESS, operator)
        assert {route for route, status in may.items() if status in {401, 403}} == set()
        for status in (await statuses(guarded, OPEN - {("POST", "/login")}, None)).values():
            assert status not in {401, 403}

    asyncio.run(steps())
