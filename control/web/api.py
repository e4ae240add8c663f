"""The HTTP API: thin doors to the switchboard and the views."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, FastAPI, Header, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.middleware.trustedhost import TrustedHostMiddleware

from control.web.bodies import limited_body, media_type
from control.web.events import Foresee, Publish, events_router
from rules.orders import OrderState
from schemas.control import Command, Reply, StatusDocument, parse_control
from schemas.events import CONTENT_TYPES
from schemas.reasons import Refused
from storage.errors import StorageError
from storage.switchboard import Switchboard
from storage.views import Views

__all__ = ["Doors", "create_app"]

_REFUSED_AS = {"invalid": 400, "stale": 409, "expired": 409}
_MAX_CONTROL_BODY = 64 * 1024
Limit = Annotated[int, Query(ge=1, le=10_000)]


@dataclass(frozen=True, slots=True)
class Doors:
    """What the API leads to: `alive` says whether the process's loops run, `publish` asks the broker."""

    views: Views
    switchboard: Switchboard
    alive: Callable[[], bool]
    publish: Publish
    foresee: Foresee
    retry_order: Callable[[str, str], bool]


def create_app(doors: Doors, hosts: list[str]) -> FastAPI:
    """The application; `hosts` are the Host headers that are ours."""
    app = FastAPI(title="Comporta", version="0.1.0", docs_url="/docs", redoc_url=None)
    # A page elsewhere must not reach this API through a name that resolves to loopback.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts)
    app.add_exception_handler(StorageError, _unavailable)
    app.include_router(_looking(doors.views))
    app.include_router(_switching(doors.switchboard))
    app.include_router(_ordering(doors.retry_order))
    app.include_router(events_router(doors.publish, doors.foresee))

    @app.get("/healthz")
    def healthz(response: Response) -> dict[str, str]:
        if doors.alive():
            return {"status": "ok"}
        response.status_code = 503
        return {"status": "a loop has stopped"}

    return app


def _looking(views: Views) -> APIRouter:
    router = APIRouter(prefix="/api")

    @router.get("/status")
    def status() -> StatusDocument:
        return views.status()

    @router.get("/audit")
    def audit(limit: Limit = 100) -> list[dict[str, Any]]:
        return views.audit(limit)

    @router.get("/missed")
    def missed(shop: str | None = None, domain: str | None = None, limit: Limit = 100) -> list[dict[str, Any]]:
        return views.missed(shop, domain, limit)

    @router.get("/quarantine")
    def quarantine(shop: str | None = None, domain: str | None = None, limit: Limit = 100) -> list[dict[str, Any]]:
        return views.quarantined(shop, domain, limit)

    @router.get("/quarantine/{identity}")
    def quarantined(identity: str) -> dict[str, Any]:
        found = views.quarantined_message(identity)
        if found is None:
            raise HTTPException(404, f"nothing with the id {identity} is in the quarantine")
        return {**found, "body": found["body"].decode(errors="backslashreplace")}

    @router.get("/orders")
    def orders(shop: str | None = None, state: OrderState | None = None, limit: Limit = 100) -> list[dict[str, Any]]:
        return views.orders(shop, state, limit)

    @router.get("/orders/{shop}/{order_id:path}")
    def order(shop: str, order_id: str) -> dict[str, Any]:
        found = views.order(shop, order_id)
        if found is None:
            raise HTTPException(404, f"the shop {shop} has placed no order with the id {order_id}")
        return found

    return router


def _ordering(retry: Callable[[str, str], bool]) -> APIRouter:
    router = APIRouter(prefix="/api")

    @router.post("/orders/{shop}/{order_id:path}/retry")
    def retry_order(shop: str, order_id: str) -> dict[str, str]:
        if not retry(shop, order_id):
            raise HTTPException(409, "there is no such order, or it is being sent, or it is internalized already")
        return {"state": OrderState.WAITING}

    return router


def _switching(switchboard: Switchboard) -> APIRouter:
    router = APIRouter(prefix="/api")

    @router.post("/pause", response_model=Reply)
    async def pause(request: Request, idempotency_key: Annotated[str | None, Header()] = None) -> Response:
        return await _change(switchboard, "pause", request, idempotency_key)

    @router.post("/resume", response_model=Reply)
    async def resume(request: Request, idempotency_key: Annotated[str | None, Header()] = None) -> Response:
        return await _change(switchboard, "resume", request, idempotency_key)

    return router


async def _change(
    switchboard: Switchboard, action: Literal["pause", "resume"], request: Request, message_id: str | None
) -> Response:
    # Only a script that means it sends JSON: a form on some other page can't.
    if media_type(request) not in CONTENT_TYPES:
        raise HTTPException(415, "send the control message as application/json")
    body = await limited_body(request, _MAX_CONTROL_BODY, "a control message")
    reply = await run_in_threadpool(_obey, switchboard, action, body, message_id)
    code = 200 if reply.error is None else _REFUSED_AS[reply.error.partition(":")[0]]
    return Response(reply.model_dump_json(), code, media_type="application/json")


def _obey(switchboard: Switchboard, action: Literal["pause", "resume"], body: bytes, message_id: str | None) -> Reply:
    try:
        message = parse_control(body)
    except Refused as refused:
        error = f"invalid: {refused.refusal}"
        return switchboard.refuse(action, error, source="http", message_id=message_id, user_id=None)
    return switchboard.change(Command(action, message, "http", message_id=message_id, issued_at=message.issued_at))


def _unavailable(_request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, 503, headers={"Retry-After": "5"})
