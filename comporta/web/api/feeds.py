"""Feeds: the health of each shop and domain that an ERP sends."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from comporta.web.api.params import Domain, Limit, Shop, only_known
from comporta.web.export import dump
from comporta.web.own_shops import own_rows
from storage.views import FeedRow, Views

__all__ = ["feeds_router"]

Troubled = Annotated[bool, Query(description="Only feeds that are silent, mostly superseded or refused.")]


def feeds_router(views: Views) -> APIRouter:
    """Return the route of the feeds."""
    router = APIRouter(prefix="/api", dependencies=[Depends(only_known)])

    @router.get("/feeds", tags=["look"], response_model=list[FeedRow], summary="Feeds, those in trouble first")
    def feeds(
        request: Request,
        shop: Shop = None,
        domain: Domain = None,
        troubled: Troubled = False,
        limit: Limit = 1_000,
    ) -> Response:
        rows = [
            row
            for row in own_rows(request, views.feeds(), shop)
            if shop in (None, row["shop"]) and domain in (None, row["domain"]) and (row["trouble"] or not troubled)
        ]
        return Response(dump(rows[:limit]), media_type="application/json")

    return router
