"""Known shops: the list, adding one, removing one with all of its rows."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel

from comporta.web.api.params import ReasonQuery, ShopName, Why, only_known
from comporta.web.request import audit_context
from control.shops import ShopActions, ShopRemoval

__all__ = ["shops_router"]


class ShopWanted(Why):
    """A shop that is to become known."""

    shop: ShopName


class ListedShop(BaseModel):
    """A known shop; `admitted` says whether its events are taken, `first_seen` is null before the first of them."""

    shop: str
    first_seen: datetime | None
    admitted: bool


class Added(BaseModel):
    """The shop, and whether it was not known before."""

    shop: str
    new: bool


def shops_router(shops: ShopActions) -> APIRouter:
    """Return the routes of known shops; the application handles `ActionError`."""
    router = APIRouter(prefix="/api", dependencies=[Depends(only_known)])

    @router.get("/shops", tags=["look"], summary="Known shops")
    def known_shops() -> list[ListedShop]:
        return [ListedShop(**shop._asdict()) for shop in shops.known()]

    @router.post("/shops", tags=["act"], responses={201: {"model": Added, "description": "It is known now"}})
    def add(request: Request, response: Response, body: ShopWanted) -> Added:
        """Make a shop known before its first event or order: 201, or 200 if it was known."""
        new = shops.add(body.shop, audit_context(request, body.reason))
        response.status_code = 201 if new else 200
        return Added(shop=body.shop, new=new)

    @router.delete("/shops/{shop}", tags=["act"])
    def remove(
        request: Request,
        shop: ShopName,
        reason: ReasonQuery = None,
        dry_run: Annotated[bool, Query(description="Only count the rows.")] = False,
        force: Annotated[bool, Query(description="Also while the shop is on, or has orders on their way.")] = False,
    ) -> ShopRemoval:
        """Erase a shop: every row of it in every table but the audit. 409 while it is on, unless forced."""
        return shops.remove(shop, audit_context(request, reason), dry_run=dry_run, force=force)

    return router
