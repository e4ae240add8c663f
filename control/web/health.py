"""Whether the process works."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Response

__all__ = ["health_router"]


def health_router(alive: Callable[[], bool]) -> APIRouter:
    """The door for whoever restarts what has stopped."""
    router = APIRouter()

    @router.get("/healthz")
    def healthz(response: Response) -> dict[str, str]:
        if alive():
            return {"status": "ok"}
        response.status_code = 503
        return {"status": "a loop has stopped"}

    return router
