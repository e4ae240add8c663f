"""Orders: the list, one order whole, retry."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from pydantic import BaseModel

from comporta.web.api.params import (
    LISTED,
    After,
    FormatQuery,
    Limit,
    Many,
    RequestBody,
    ShopName,
    Why,
    listed,
    only_known,
    order_filter,
)
from comporta.web.request import audit_context
from control.actions import OperatorActions
from storage.views import (
    OrderFilter as ListedOrders,
)
from storage.views import (
    OrderRow,
    Views,
    WholeOrder,
)

__all__ = ["orders_router"]


class OrderFilter(RequestBody):
    """Which orders."""

    state: Literal["rejected", "sent", "waiting"] = "rejected"
    shop: ShopName | None = None


class ManyOrders(Many):
    """Many orders."""

    filter: OrderFilter

    @property
    def which(self) -> ListedOrders:
        """The orders that are meant."""
        return ListedOrders(self.filter.shop, self.filter.state)


class RetryDone(BaseModel):
    """How the order stands now."""

    state: Literal["waiting"]


class RetryManyDone(BaseModel):
    """How many orders were chosen, and wait to be sent again."""

    chosen: int
    retried: int


def orders_router(views: Views, acting: OperatorActions) -> APIRouter:
    """Route to the orders; `ActError` is for the application to answer."""
    router = APIRouter(prefix="/api", dependencies=[Depends(only_known)])

    @router.get(
        "/orders", tags=["look"], response_model=list[OrderRow], responses=LISTED, summary="Orders, oldest first"
    )
    def orders(
        request: Request,
        which: Annotated[ListedOrders, Depends(order_filter)],
        limit: Limit = 100,
        after: After = None,
        format: FormatQuery = None,
    ) -> Response:
        return listed(request, views, which, OrderRow, "orders", (limit, after, format))

    @router.post("/orders/retry", tags=["act"])
    def retry_many(request: Request, body: ManyOrders) -> RetryManyDone:
        """Lets the chosen orders be sent again; 409 if they are not as many as expected."""
        if body.dry_run:
            return RetryManyDone(chosen=acting.count_retryable(body.which), retried=0)
        retried = acting.retry_many(body.which, audit_context(request, body.reason), body.expected)
        return RetryManyDone(chosen=retried, retried=retried)

    @router.post("/orders/{shop}/{order_id:path}/retry", tags=["act"])
    def retry(request: Request, shop: str, order_id: str, body: Why | None = None) -> RetryDone:
        """Lets an order be sent again that the ERP has rejected or not answered for."""
        if not acting.retry(shop, order_id, audit_context(request, body.reason if body else None)):
            raise HTTPException(409, "there is no such order, or it is being sent, or it is internalized already")
        return RetryDone(state="waiting")

    @router.get("/orders/{shop}/{order_id:path}", tags=["look"], response_model=WholeOrder, summary="One order, whole")
    def order(shop: str, order_id: str) -> dict[str, Any]:
        found = views.order(shop, order_id)
        if found is None:
            raise HTTPException(404, f"the shop {shop} has placed no order with the id {order_id}")
        return found

    return router
