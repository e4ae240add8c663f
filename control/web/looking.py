"""Looks: status, audit, missed keys, quarantine and orders."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query

from rules.orders import OrderState
from schemas.control import StatusDocument
from storage.views import Views

__all__ = ["looking_router"]

Limit = Annotated[int, Query(ge=1, le=10_000)]


def looking_router(views: Views) -> APIRouter:
    """The doors to what people look at."""
    router = APIRouter(prefix="/api")

    @router.get("/status")
    def status() -> StatusDocument:
        return views.status()

    @router.get("/audit")
    def audit(limit: Limit = 100) -> list[dict[str, Any]]:
        return views.audit(limit)

    @router.get("/missed")
    def missed(shop: str | None = None, domain: str | None = None, limit: Limit = 100) -> list[dict[str, Any]]:
        return views.missed(shop, domain, limit)

    @router.get("/quarantine")
    def quarantine(shop: str | None = None, domain: str | None = None, limit: Limit = 100) -> list[dict[str, Any]]:
        return views.quarantined(shop, domain, limit)

    @router.get("/quarantine/{identity}")
    def quarantined(identity: str) -> dict[str, Any]:
        found = views.quarantined_message(identity)
        if found is None:
            raise HTTPException(404, f"nothing with the id {identity} is in the quarantine")
        return {**found, "body": found["body"].decode(errors="backslashreplace")}

    @router.get("/orders")
    def orders(shop: str | None = None, state: OrderState | None = None, limit: Limit = 100) -> list[dict[str, Any]]:
        return views.orders(shop, state, limit)

    @router.get("/orders/{shop}/{order_id:path}")
    def order(shop: str, order_id: str) -> dict[str, Any]:
        found = views.order(shop, order_id)
        if found is None:
            raise HTTPException(404, f"the shop {shop} has placed no order with the id {order_id}")
        return found

    return router
