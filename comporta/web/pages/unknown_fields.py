"""Unknown fields: the list of what messages have and Comporta ignores."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from comporta.web.pages.lists import blank_to_none, list_page
from comporta.web.pages.renderer import Pages
from storage.views import UnknownFieldFilter, Views

__all__ = ["unknown_fields_router"]


def unknown_fields_router(pages: Pages, views: Views) -> APIRouter:
    """Return the route of the unknown fields."""
    router = APIRouter(include_in_schema=False)

    @router.get("/unknown-fields")
    def unknown_fields(request: Request, shop: str = "", domain: str = "") -> Response:
        listing = UnknownFieldFilter(blank_to_none(shop), blank_to_none(domain))
        filters = {"shop": shop, "domain": domain}
        return list_page(pages, views, request, "unknown_fields.html", listing, filters, "/api/unknown-fields")

    return router
