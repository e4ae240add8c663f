"""Acts: replay, drop, request again, retry; and the repair sheets that say what is still to be done."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse
from starlette.requests import HTTPConnection

from comporta.web.api.acts import (
    DropDone,
    ManyMessages,
    ManyOrders,
    ReplayDone,
    ResyncDone,
    ResyncWanted,
    RetryDone,
    RetryManyDone,
    SheetShown,
    Why,
)
from comporta.web.paging import only_known
from comporta.web.problems import PROBLEM_TYPE
from comporta.web.who import who_of
from control.actions import Acting
from control.replay import Replayed
from rules.actions import Asked, Changed, Conflict, NotThere
from schemas.reasons import Refused
from storage.repairs import Repairs

__all__ = ["act_refused", "acting_router", "asked_of"]

Reason = Annotated[str | None, Query(description="Why; kept in the audit.", max_length=500)]
RequestId = Annotated[
    str | None, Header(description="The same key gives messages of the same id for the same keys.", max_length=255)
]


def acting_router(acting: Acting, repairs: Repairs) -> APIRouter:
    """The doors to what may be done beside switching; `ActError` is for the application to answer."""
    router = APIRouter(prefix="/api", tags=["act"], dependencies=[Depends(only_known)])

    @router.post("/quarantine/replay")
    def replay_many(request: Request, body: ManyMessages) -> ReplayDone:
        """Publishes the chosen messages again, as they were; 409 if they are not as many as expected."""
        if body.dry_run:
            return ReplayDone.of(Replayed(acting.count_quarantined(body.chosen)))
        return ReplayDone.of(acting.replay_many(body.chosen, asked_of(request, body.reason), body.expected))

    @router.post("/quarantine/drop")
    def drop_many(request: Request, body: ManyMessages) -> DropDone:
        """Removes the chosen messages for good; 409 if they are not as many as expected."""
        if body.dry_run:
            return DropDone(chosen=acting.count_quarantined(body.chosen), dropped=0)
        dropped = acting.drop_many(body.chosen, asked_of(request, body.reason), body.expected)
        return DropDone(chosen=dropped, dropped=dropped)

    @router.post("/quarantine/{identity}/replay")
    def replay(request: Request, identity: str, body: Why | None = None) -> ReplayDone:
        """Publishes a message again, as it was; it passes the switch like any other."""
        acting.replay(identity, asked_of(request, body.reason if body else None))
        return ReplayDone.of(Replayed(1, 1))

    @router.delete("/quarantine/{identity}")
    def drop(request: Request, identity: str, reason: Reason = None) -> DropDone:
        """Removes a message for good."""
        acting.drop(identity, asked_of(request, reason))
        return DropDone(chosen=1, dropped=1)

    @router.post("/missed/resync")
    def resync(request: Request, body: ResyncWanted, idempotency_key: RequestId = None) -> ResyncDone:
        """Asks the ERP to publish missed keys again: 200 once the broker has confirmed every message."""
        try:
            wanted = body.wanted
        except Refused as refused:
            raise HTTPException(400, f"a key can't be read: {refused.refusal}") from None
        done = acting.resync(
            wanted,
            asked_of(request, body.reason),
            dry_run=body.dry_run,
            expected=body.expected,
            request=idempotency_key,
        )
        return ResyncDone(**done._asdict())

    @router.post("/orders/retry")
    def retry_many(request: Request, body: ManyOrders) -> RetryManyDone:
        """Lets the chosen orders be sent again; 409 if they are not as many as expected."""
        if body.dry_run:
            return RetryManyDone(chosen=acting.count_retryable(body.which), retried=0)
        retried = acting.retry_many(body.which, asked_of(request, body.reason), body.expected)
        return RetryManyDone(chosen=retried, retried=retried)

    @router.post("/orders/{shop}/{order_id:path}/retry")
    def retry(request: Request, shop: str, order_id: str, body: Why | None = None) -> RetryDone:
        """Lets an order be sent again that the ERP has rejected or not answered for."""
        if not acting.retry(shop, order_id, asked_of(request, body.reason if body else None)):
            raise HTTPException(409, "there is no such order, or it is being sent, or it is internalized already")
        return RetryDone(state="waiting")

    @router.get("/repairs")
    def sheets(limit: Annotated[int, Query(ge=1, le=100)] = 20) -> list[SheetShown]:
        """What each resume has left to be repaired, newest first, and how much of it still is."""
        return [SheetShown.of(sheet) for sheet in repairs.sheets(limit)]

    return router


def asked_of(connection: HTTPConnection, reason: str | None = None) -> Asked:
    """Who asks over HTTP, as the gate has found out."""
    name = who_of(connection).name
    return Asked(name, "http", reason, name)


def act_refused(_request: Request, error: Exception) -> Response:
    """The answer to an act that can't be done (RFC 9457)."""
    code = 404 if isinstance(error, NotThere) else 409 if isinstance(error, Conflict) else 503
    numbers = {"expected": error.expected, "now": error.now} if isinstance(error, Changed) else {}
    problem = {"type": "about:blank", "title": _TITLES[code], "status": code, "detail": str(error), **numbers}
    headers = {"Retry-After": "5"} if code == 503 else None
    return JSONResponse(problem, code, headers, media_type=PROBLEM_TYPE)


_TITLES = {404: "Not there", 409: "Not as things stand", 503: "Not confirmed"}
