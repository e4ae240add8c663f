"""Whether the process works, whether it can be used, and its metrics: open to all, and never slow."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, NotRequired

from fastapi import APIRouter, Header, Response
from typing_extensions import TypedDict

from control.monitor import Monitor

__all__ = ["health_router"]

# `async`, all of them: the pool of threads may be taken by requests that wait for a database that hangs.


_FORMS: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {}, "application/openmetrics-text": {}}}}


class Health(TypedDict):
    """Whether every loop turns, and which doesn't."""

    status: Literal["ok", "unwell"]
    loops: NotRequired[dict[str, str]]


class Part(TypedDict):
    """Whether a part was reached just now, and if not, when that was first seen."""

    reachable: bool
    since: NotRequired[datetime]


class Readiness(TypedDict):
    """Whether broker and database can be reached."""

    status: Literal["ready", "not ready"]
    broker: Part
    database: Part


def health_router(monitor: Monitor) -> APIRouter:
    """The doors for whoever restarts what hangs, waits for what is away, and draws charts."""
    router = APIRouter(tags=["monitoring"])

    @router.get("/healthz", summary="Whether every loop turns", responses={503: {"model": Health}})
    async def healthz(response: Response) -> Health:
        unwell = dict(monitor.unwell())
        if not unwell:
            return {"status": "ok"}
        response.status_code = 503
        return {"status": "unwell", "loops": unwell}

    @router.get("/readyz", summary="Whether broker and database can be reached", responses={503: {"model": Readiness}})
    async def readyz(response: Response) -> Readiness:
        found = await monitor.readiness.look()
        parts: dict[str, Part] = {
            name: {"reachable": True} if reach.since is None else {"reachable": False, "since": reach.since}
            for name, reach in found.items()
        }
        ready = all(reach.reachable for reach in found.values())
        response.status_code = 200 if ready else 503
        return {"status": "ready" if ready else "not ready", "broker": parts["broker"], "database": parts["database"]}

    @router.get("/metrics", summary="Metrics for Prometheus", response_class=Response, responses=_FORMS)
    async def metrics(accept: Annotated[str, Header(include_in_schema=False)] = "") -> Response:
        content_type, body = await monitor.exposition.render(accept)
        return Response(body, media_type=content_type)

    return router
