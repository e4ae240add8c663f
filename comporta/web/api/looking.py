"""Looks: the status, and the lists of missed keys, the quarantine, orders, the audit and the workers."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request, Response

from comporta.web.api.params import audit_filter, missed_filter, order_filter, quarantine_filter
from comporta.web.api.shapes import QuarantinedDocument
from comporta.web.paging import LISTED, After, FormatQuery, Limit, listed, only_known
from schemas.control import StatusDocument
from storage.views import (
    AuditFilter,
    AuditRow,
    MissedFilter,
    MissedRow,
    OrderFilter,
    OrderRow,
    QuarantineFilter,
    QuarantineRow,
    Views,
    WholeOrder,
    WorkerFilter,
    WorkerRow,
)

__all__ = ["looking_router"]


def looking_router(views: Views) -> APIRouter:
    """The doors to what people look at."""
    router = APIRouter(prefix="/api", tags=["look"], dependencies=[Depends(only_known)])

    @router.get("/status", response_model=StatusDocument, summary="The whole state at a glance")
    def status() -> Response:
        return Response(views.status().model_dump_json(), media_type="application/json")

    @router.get("/workers", response_model=list[WorkerRow], responses=LISTED, summary="Workers, longest running first")
    def workers(request: Request, limit: Limit = 100, after: After = None, format: FormatQuery = None) -> Response:
        return listed(request, views, WorkerFilter(), WorkerRow, "workers", (limit, after, format))

    @router.get("/audit", response_model=list[AuditRow], responses=LISTED, summary="What was asked, newest first")
    def audit(
        request: Request,
        which: Annotated[AuditFilter, Depends(audit_filter)],
        limit: Limit = 100,
        after: After = None,
        format: FormatQuery = None,
    ) -> Response:
        return listed(request, views, which, AuditRow, "audit", (limit, after, format))

    @router.get("/missed", response_model=list[MissedRow], responses=LISTED, summary="Missed keys, oldest first")
    def missed(
        request: Request,
        which: Annotated[MissedFilter, Depends(missed_filter)],
        limit: Limit = 100,
        after: After = None,
        format: FormatQuery = None,
    ) -> Response:
        return listed(request, views, which, MissedRow, "missed", (limit, after, format))

    @router.get(
        "/quarantine", response_model=list[QuarantineRow], responses=LISTED, summary="Refused messages, newest first"
    )
    def quarantine(
        request: Request,
        which: Annotated[QuarantineFilter, Depends(quarantine_filter)],
        limit: Limit = 100,
        after: After = None,
        format: FormatQuery = None,
    ) -> Response:
        return listed(request, views, which, QuarantineRow, "quarantine", (limit, after, format))

    @router.get("/orders", response_model=list[OrderRow], responses=LISTED, summary="Orders, oldest first")
    def orders(
        request: Request,
        which: Annotated[OrderFilter, Depends(order_filter)],
        limit: Limit = 100,
        after: After = None,
        format: FormatQuery = None,
    ) -> Response:
        return listed(request, views, which, OrderRow, "orders", (limit, after, format))

    @router.get("/quarantine/{identity}", response_model=QuarantinedDocument, summary="One refused message, whole")
    def quarantined(identity: str) -> dict[str, Any]:
        found = views.quarantined_message(identity)
        if found is None:
            raise HTTPException(404, f"nothing with the id {identity} is in the quarantine")
        return {**found, "body": found["body"].decode(errors="backslashreplace")}

    @router.get("/orders/{shop}/{order_id:path}", response_model=WholeOrder, summary="One order, whole")
    def order(shop: str, order_id: str) -> dict[str, Any]:
        found = views.order(shop, order_id)
        if found is None:
            raise HTTPException(404, f"the shop {shop} has placed no order with the id {order_id}")
        return found

    return router
