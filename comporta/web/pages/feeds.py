"""Feeds: what each ERP sends, by shop and domain, those in trouble first."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from comporta.web.own_shops import own_rows
from comporta.web.pages.renderer import Pages
from storage.views import Views

__all__ = ["feeds_router"]

# No page grows with the number of shops: the filter finds the others.
_MOST_ROWS = 100


def feeds_router(pages: Pages, views: Views) -> APIRouter:
    """Return the route of the feeds."""
    router = APIRouter(include_in_schema=False)

    @router.get("/feeds")
    def feeds(request: Request, shop: str = "", domain: str = "") -> Response:
        own = own_rows(request, views.feeds(), shop or None)
        rows = [row for row in own if shop in ("", row["shop"]) and domain in ("", row["domain"])]
        return pages.render(
            request,
            "feeds.html",
            feeds=rows[:_MOST_ROWS],
            left_out=max(0, len(rows) - _MOST_ROWS),
            filters={"shop": shop, "domain": domain},
            filtered=bool(shop or domain),
        )

    return router
