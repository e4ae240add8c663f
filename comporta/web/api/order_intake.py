"""Orders and cancellations over HTTP: one, a batch or binary mode; all or none are stored, whatever is off."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from comporta.web.api.events import (
    EVENT_BODIES,
    MAX_REQUEST,
    ForeseenAll,
    PredictOutcomes,
    StoredVersions,
    error_of,
    outcomes_response,
    read_documents,
    refused_response,
)
from comporta.web.problems import problem
from comporta.web.request import read_body
from producers.events import CheckedEvent, outgoing_document
from rules.outcomes import Outcome
from schemas.domains import ORDERS
from schemas.order_news import Cancellation
from schemas.orders import ReceivedOrder
from schemas.reasons import Reason, Refusal, Refused
from storage.errors import RowRefused
from storage.order_store import OrdersRefused

__all__ = ["PlaceOrders", "order_intake_router"]

PlaceOrders = Callable[[Sequence[ReceivedOrder | Cancellation]], list[Outcome]]
Shop = Annotated[str, Query(description="Shop of all orders of the request.")]
DryRun = Annotated[
    bool, Query(description="Only return the outcome that each order or cancellation would have; store nothing.")
]


class Stored(BaseModel):
    """Number of orders and cancellations that are stored, and of those that were stored before."""

    accepted: int
    repeated: int


_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"model": ForeseenAll, "description": "With dry_run: the outcome that each order or cancellation would have"},
    413: {"description": "More than 8 MiB"},
    415: {"description": "The content type is not one of events"},
}


def order_intake_router(
    place: PlaceOrders, predict_outcomes: PredictOutcomes, stored_versions: StoredVersions
) -> APIRouter:
    """Return the route that takes orders and their cancellations; `place` stores all or raises."""
    router = APIRouter()

    @router.post(
        "/orders",
        status_code=202,
        tags=["publish"],
        summary="Place or cancel the orders of a request",
        response_model=Stored,
        responses=_RESPONSES,
        openapi_extra=EVENT_BODIES,
    )
    async def orders(request: Request, shop: Shop = "main", dry_run: DryRun = False) -> Response:
        """Place or cancel the orders of a request: 202 once all are stored; what comes again changes nothing."""
        body = await read_body(request, MAX_REQUEST, "a request with orders")
        return await run_in_threadpool(_handle, request, body, shop, dry_run)

    def _handle(request: Request, body: bytes, shop: str, dry_run: bool) -> Response:
        try:
            documents = read_documents(request, body, shop)
        except Refused as refused:
            return refused_response("the request can't be read; nothing was stored", refused.refusal)
        events = [outgoing_document(shop, document, ORDERS) for document in documents]
        return outcomes_response(events, predict_outcomes, stored_versions) if dry_run else _place(events, place)

    return router


def _place(events: Sequence[CheckedEvent], place: PlaceOrders) -> Response:
    refusals = {index: event.refusal for index, event in enumerate(events) if event.refusal is not None}
    if refusals:
        return _refused(refusals, len(events))
    try:
        outcomes = place([event.item for event in events if isinstance(event.item, ReceivedOrder | Cancellation)])
    except OrdersRefused as error:
        return _refused(error.refusals, len(events))
    except RowRefused as error:
        return refused_response(
            "an order can't be stored; nothing was stored", Refusal(Reason.REFUSED_BY_DATABASE, "", str(error))
        )
    repeated = outcomes.count(Outcome.SUPERSEDED)
    return JSONResponse({"accepted": len(outcomes), "repeated": repeated}, 202)


def _refused(refusals: Mapping[int, Refusal], number: int) -> Response:
    errors = [error_of(index, refusal) for index, refusal in refusals.items()]
    detail = f"{len(errors)} of {number} orders are refused; nothing was stored"
    return problem(400, detail, title="Orders refused", errors=errors)
