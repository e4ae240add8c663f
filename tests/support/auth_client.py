"""Small application behind the authentication, and HTTP clients of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

from comporta.web.access import Access
from comporta.web.request import identity_of
from comporta.web.server import secure

__all__ = [
    "ACCEPT_HTML",
    "HOST",
    "PORT",
    "SAME_ORIGIN",
    "auth_client",
    "bearer",
    "logged_in_client",
    "protected_app",
    "run",
]

PORT = 8080
HOST = f"http://127.0.0.1:{PORT}"
ACCEPT_HTML = {"accept": "text/html,*/*"}
SAME_ORIGIN = {"sec-fetch-site": "same-origin"}


def protected_app() -> FastAPI:
    """Make an application with a route of each kind."""
    app = FastAPI(openapi_url=None, docs_url=None)

    @app.get("/")
    @app.get("/orders")
    @app.get("/api/status")
    @app.post("/api/pause")
    @app.delete("/api/quarantine/{identity}")
    def room(request: Request) -> dict[str, str]:
        return {"who": identity_of(request).name, "path": request.url.path}

    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/api/events")
    def events() -> StreamingResponse:
        async def ticks() -> AsyncIterator[str]:
            while True:
                yield "tick\n"
                await asyncio.sleep(0)

        return StreamingResponse(ticks())

    return app


def auth_client(access: Access, address: str = HOST) -> httpx.AsyncClient:
    """Make a client with cookies, of an application behind this access."""
    transport = httpx.ASGITransport(app=secure(protected_app(), access, PORT), client=("192.0.2.7", 1))
    return httpx.AsyncClient(transport=transport, base_url=address)


def bearer(token: str | None) -> dict[str, str]:
    """Make the header that shows a token."""
    return {"authorization": f"Bearer {token}"}


async def logged_in_client(access: Access, token: str, address: str = HOST) -> httpx.AsyncClient:
    """Make a client with a session."""
    client = auth_client(access, address)
    answer = await client.post("/login", data={"token": token, "next": "/orders"}, headers=SAME_ORIGIN)
    assert answer.status_code == 303, answer.text
    return client


def run(steps: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run a test's steps to their end."""
    asyncio.run(steps())
