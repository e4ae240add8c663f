"""Health routes: HEAD is answered as GET is, and a full disk is no readiness."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from fastapi import FastAPI

from comporta.runtime.health import ConsumptionProbe, Monitor, ReadinessProbe
from comporta.runtime.metrics import Exposition
from comporta.runtime.monitor_server import health_router
from schemas.health import Health
from storage.disk import DiskFull

HEALTH = Health(state="ok", cause=None, since=None, ready=0, domains={})


def ask(method: str, path: str, *, full: bool = False) -> httpx.Response:
    """Ask the routes of a process."""

    def check_disk() -> None:
        if full:
            raise DiskFull("the disk of the database is full")

    checks = {"broker": lambda: None, "database": lambda: None, "disk": check_disk}
    monitor = Monitor(dict, ReadinessProbe(checks), ConsumptionProbe(lambda: HEALTH, ()), Exposition(None, None))
    app = FastAPI()
    app.include_router(health_router(monitor))

    async def steps() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return await client.request(method, path)

    return asyncio.run(steps())


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_head_is_answered_as_get_is(path: str) -> None:
    head, get = ask("HEAD", path), ask("GET", path)
    assert (head.status_code, head.headers) == (get.status_code, get.headers)
    assert head.status_code == 200


def test_a_full_disk_is_named() -> None:
    answer = ask("GET", "/readyz", full=True)
    assert answer.status_code == 503
    found = answer.json()
    assert (found["status"], found["database"], found["disk"]["full"]) == ("not ready", {"reachable": True}, True)
    assert found["disk"]["since"]
    assert ask("HEAD", "/readyz", full=True).status_code == 503
    assert "disk" not in ask("GET", "/readyz").json()
