"""Full loads: the list, one with its chunks, and the operators' decisions on it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from pydantic import BaseModel, Field

from comporta.web.api.params import (
    LISTED,
    After,
    ChangeDomain,
    FormatQuery,
    Limit,
    ReasonText,
    RequestBody,
    Shop,
    Why,
    listed,
    only_known,
)
from comporta.web.own_shops import own, owned
from comporta.web.request import audit_context
from control.actions import OperatorActions
from rules.full_load import LoadState
from storage.views import LoadFilter, LoadRow, Views, WholeLoad

__all__ = ["loads_router"]


class ConfirmWanted(RequestBody):
    """Confirmation of a held load: the number of keys that it would delete, as it was shown."""

    expected: Annotated[int, Field(ge=0, description="would_delete as shown; refused if it has changed.")]
    reason: ReasonText = None


class Confirmed(BaseModel):
    """Number of keys that the load deletes now."""

    confirmed: int


class Cancelled(BaseModel):
    """State of the load after its cancellation."""

    state: LoadState


def _load_filter(
    request: Request, shop: Shop = None, domain: ChangeDomain | None = None, state: LoadState | None = None
) -> LoadFilter:
    return own(request, LoadFilter(shop, domain, state))


def loads_router(views: Views, actions: OperatorActions) -> APIRouter:
    """Return the routes of full loads; the application handles `ActionError`."""
    router = APIRouter(prefix="/api", dependencies=[Depends(only_known)])

    @router.get(
        "/loads", tags=["look"], response_model=list[LoadRow], responses=LISTED, summary="Full loads, newest first"
    )
    def loads(
        request: Request,
        filters: Annotated[LoadFilter, Depends(_load_filter)],
        limit: Limit = 100,
        after: After = None,
        format: FormatQuery = None,
    ) -> Response:
        return listed(request, views, filters, LoadRow, "loads", (limit, after, format))

    @router.post("/loads/{shop}/{domain}/{load_id:path}/confirm", tags=["act"])
    def confirm(request: Request, shop: str, domain: ChangeDomain, load_id: str, body: ConfirmWanted) -> Confirmed:
        """Let a held load delete what it has counted; 409 unless that is the expected number, or while it is off."""
        context = audit_context(request, body.reason)
        return Confirmed(confirmed=actions.confirm_load(shop, domain, load_id, body.expected, context))

    @router.post("/loads/{shop}/{domain}/{load_id:path}/cancel", tags=["act"])
    def cancel(request: Request, shop: str, domain: ChangeDomain, load_id: str, body: Why | None = None) -> Cancelled:
        """End a load: it deletes nothing more, and its events count as ordinary ones."""
        actions.cancel_load(shop, domain, load_id, audit_context(request, body.reason if body else None))
        return Cancelled(state=LoadState.CANCELLED)

    @router.get("/loads/{shop}/{domain}/{load_id:path}", tags=["look"], summary="One load with its chunks")
    def load(request: Request, shop: str, domain: ChangeDomain, load_id: str) -> WholeLoad:
        found = views.load(shop, domain, load_id) if owned(request, shop, domain) else None
        if found is None:
            raise HTTPException(404, f"no load with the id {load_id} of {shop}/{domain} is known")
        return found

    return router
