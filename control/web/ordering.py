"""Acts on orders."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, HTTPException

from rules.orders import OrderState

__all__ = ["ordering_router"]


def ordering_router(retry: Callable[[str, str], bool]) -> APIRouter:
    """The door to what may be done with orders."""
    router = APIRouter(prefix="/api")

    @router.post("/orders/{shop}/{order_id:path}/retry")
    def retry_order(shop: str, order_id: str) -> dict[str, str]:
        if not retry(shop, order_id):
            raise HTTPException(409, "there is no such order, or it is being sent, or it is internalized already")
        return {"state": OrderState.WAITING}

    return router
