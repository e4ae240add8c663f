"""Unknown fields: the list of what messages have and Comporta ignores."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response

from comporta.web.api.params import LISTED, After, Domain, FormatQuery, Limit, Shop, listed, only_known
from storage.views import UnknownFieldFilter, UnknownFieldRow, Views

__all__ = ["unknown_fields_router"]


def unknown_fields_router(views: Views) -> APIRouter:
    """Return the route of the unknown fields."""
    router = APIRouter(prefix="/api", dependencies=[Depends(only_known)])

    @router.get(
        "/unknown-fields",
        tags=["look"],
        response_model=list[UnknownFieldRow],
        responses=LISTED,
        summary="Fields that are ignored, the one that came last first",
    )
    def unknown_fields(
        request: Request,
        shop: Shop = None,
        domain: Domain = None,
        limit: Limit = 100,
        after: After = None,
        format: FormatQuery = None,
    ) -> Response:
        listing = UnknownFieldFilter(shop, domain)
        return listed(request, views, listing, UnknownFieldRow, "unknown-fields", (limit, after, format))

    return router
