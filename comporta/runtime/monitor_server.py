"""Health, readiness and metrics over HTTP; for a process without the page on a port of their own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal, NotRequired

import structlog
from fastapi import APIRouter, FastAPI, Header, Response
from typing_extensions import TypedDict

from comporta.runtime.health import Monitor, Reach
from comporta.runtime.http.limits import HttpLimits
from comporta.runtime.http.server import http_server
from comporta.runtime.settings import PREFIX, SettingsError
from schemas.health import HealthState

__all__ = ["HEALTH_ROUTES", "MonitorServer", "check_ports", "health_router", "listen"]
log = structlog.get_logger(__name__)

HEALTH_ROUTES = frozenset({"/healthz", "/readyz", "/metrics"})
_METRICS: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {}, "application/openmetrics-text": {}}}}


class MonitorServer:
    """Server of the routes for health and metrics, which listens once built; raises `SettingsError` if it can't."""

    def __init__(self, host: str, port: int, monitor: Monitor, limits: HttpLimits) -> None:
        self._socket = _listen(host, port)
        app = FastAPI(openapi_url=None)
        app.include_router(health_router(monitor))
        self._server = http_server(app, limits, grace=1, reserved=HEALTH_ROUTES)

    def run(self) -> None:
        """Serve until stopped."""
        host, port = self._socket.getsockname()[:2]
        log.info("metrics", host=host, port=port)
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """End `run`."""
        self._server.should_exit = True


def check_ports(host: str, ports: Iterable[int]) -> None:
    """Raise `SettingsError` with the first port that can't be listened on."""
    for port in ports:
        _listen(host, port).close()


def _listen(host: str, port: int) -> socket.socket:
    try:
        return listen(host, port)
    except OverflowError:
        raise SettingsError(f"{PREFIX}METRICS_PORT: {port} is beyond 65535; choose a lower first port") from None
    except OSError as error:
        raise SettingsError(
            f"{PREFIX}METRICS_PORT: {host}:{port} can't be listened on ({error.strerror}); choose another port"
        ) from None


class Health(TypedDict):
    """Liveness of the process, with the loops that hang or ended."""

    status: Literal["ok", "unwell"]
    loops: NotRequired[dict[str, str]]


class Part(TypedDict):
    """Reachability of a part, and the time of the first failed check while it is unreachable."""

    reachable: bool
    since: NotRequired[datetime]


class Consumption(TypedDict):
    """State of the consumption: of the worker's own domains, or of all for a process without a worker."""

    state: HealthState
    since: NotRequired[datetime]


class Full(TypedDict):
    """Disk that is full or nearly, and the time of the first check that found it so."""

    full: Literal[True]
    since: NotRequired[datetime]


class Readiness(TypedDict):
    """Readiness of the process: broker, database and messages taken; `disk` only while that of the database is full."""

    status: Literal["ready", "not ready"]
    broker: Part
    database: Part
    consumption: Consumption
    disk: NotRequired[Full]


def health_router(monitor: Monitor) -> APIRouter:
    """Return the routes for liveness (`/healthz`), readiness (`/readyz`) and Prometheus (`/metrics`)."""
    # All routes are `async`: requests that wait for a hanging database may occupy the whole thread pool.
    router = APIRouter(tags=["monitoring"])

    @router.get("/healthz", summary="Liveness: every loop runs", responses={503: {"model": Health}})
    async def healthz(response: Response) -> Health:
        unhealthy = dict(monitor.unhealthy())
        if not unhealthy:
            return {"status": "ok"}
        response.status_code = 503
        return {"status": "unwell", "loops": unhealthy}

    @router.get(
        "/readyz",
        summary="Readiness: broker and database answer, and messages are taken",
        responses={503: {"model": Readiness}},
    )
    async def readyz(response: Response) -> Readiness:
        reaches, intake = await asyncio.gather(monitor.readiness.check(), monitor.consumption.check())
        ready = all(reach.reachable for reach in reaches.values()) and not intake.blocks
        response.status_code = 200 if ready else 503
        consumption: Consumption = {"state": intake.state}
        if intake.since is not None:
            consumption["since"] = intake.since
        answer: Readiness = {
            "status": "ready" if ready else "not ready",
            "broker": _part(reaches["broker"]),
            "database": _part(reaches["database"]),
            "consumption": consumption,
        }
        disk = reaches.get("disk")
        if disk is not None and disk.since is not None:
            answer["disk"] = {"full": True, "since": disk.since}
        return answer

    @router.get("/metrics", summary="Metrics for Prometheus", response_class=Response, responses=_METRICS)
    async def metrics(accept: Annotated[str, Header(include_in_schema=False)] = "") -> Response:
        content_type, body = await monitor.exposition.render(accept)
        return Response(body, media_type=content_type)

    for path, endpoint in (("/healthz", healthz), ("/readyz", readyz), ("/metrics", metrics)):
        # Load balancers ask by HEAD; the server leaves out the body.
        router.add_api_route(path, endpoint, methods=["HEAD"], include_in_schema=False)
    return router


def _part(reach: Reach) -> Part:
    return {"reachable": True} if reach.since is None else {"reachable": False, "since": reach.since}


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; raises `OSError` if it can't be opened, `OverflowError` for a port beyond 65535."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=128)
    # Every connection inherits this option. asyncio sets it only on sockets that it creates itself; without it each
    # small response waits 40 ms for an acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
