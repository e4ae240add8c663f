"""Status document, audit and workers."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from comporta.web.api.params import (
    LISTED,
    After,
    FormatQuery,
    Limit,
    audit_filter,
    listed,
    only_known,
)
from schemas.control import StatusDocument
from storage.views import (
    AuditFilter,
    AuditRow,
    Views,
    WorkerFilter,
    WorkerRow,
)

__all__ = ["status_router"]


def status_router(views: Views) -> APIRouter:
    """Return the routes of the status document, the audit and the workers."""
    router = APIRouter(prefix="/api", dependencies=[Depends(only_known)])

    @router.get("/status", tags=["look"], response_model=StatusDocument, summary="Status document")
    def status() -> Response:
        return Response(views.status().model_dump_json(), media_type="application/json")

    @router.get(
        "/workers",
        tags=["look"],
        response_model=list[WorkerRow],
        responses=LISTED,
        summary="Workers, longest running first",
    )
    def workers(request: Request, limit: Limit = 100, after: After = None, format: FormatQuery = None) -> Response:
        return listed(request, views, WorkerFilter(), WorkerRow, "workers", (limit, after, format))

    @router.get(
        "/audit", tags=["look"], response_model=list[AuditRow], responses=LISTED, summary="Audit entries, newest first"
    )
    def audit(
        request: Request,
        filters: Annotated[AuditFilter, Depends(audit_filter)],
        limit: Limit = 100,
        after: After = None,
        format: FormatQuery = None,
    ) -> Response:
        return listed(request, views, filters, AuditRow, "audit", (limit, after, format))

    return router
