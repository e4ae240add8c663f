"""Orders: the list, one order in full, retry."""

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
from schemas.domains import ORDERS
from storage.views import (
    OrderFilter as ListedOrders,
)
from storage.views import (
    OrderRow,
    QuarantineFilter,
    Views,
    WholeOrder,
)

__all__ = ["orders_router"]


class OrderFilter(RequestBody):
    """Orders in one state, of one shop or of all."""

    state: Literal["rejected", "sent", "stuck", "waiting"] = "rejected"
    shop: ShopName | None = None


class ManyOrders(Many):
    """Retry of all orders that match a filter."""

    filter: OrderFilter

    @property
    def selection(self) -> ListedOrders:
        """Return the selected orders."""
        return ListedOrders(self.filter.shop, self.filter.state)


class RetryDone(BaseModel):
    """State of the order after the retry."""

    state: Literal["waiting"]


class RetryManyDone(BaseModel):
    """Number of orders chosen, and of those waiting to be sent again."""

    chosen: int
    retried: int


def orders_router(views: Views, actions: OperatorActions) -> APIRouter:
    """Return the routes of orders; the application handles `ActionError`."""
    router = APIRouter(prefix="/api", dependencies=[Depends(only_known)])

    @router.get(
        "/orders", tags=["look"], response_model=list[OrderRow], responses=LISTED, summary="Orders, oldest first"
    )
    def orders(
        request: Request,
        filters: Annotated[ListedOrders, Depends(order_filter)],
        limit: Limit = 100,
        after: After = None,
        format: FormatQuery = None,
    ) -> Response:
        return listed(request, views, filters, OrderRow, "orders", (limit, after, format))

    @router.post("/orders/retry", tags=["act"])
    def retry_many(request: Request, body: ManyOrders) -> RetryManyDone:
        """Send the chosen orders again; 409 unless their number is the expected one."""
        if body.dry_run:
            return RetryManyDone(chosen=actions.count_retryable(body.selection), retried=0)
        retried = actions.retry_many(body.selection, audit_context(request, body.reason), body.expected)
        return RetryManyDone(chosen=retried, retried=retried)

    @router.post("/orders/{shop}/{order_id:path}/retry", tags=["act"])
    def retry(request: Request, shop: str, order_id: str, body: Why | None = None) -> RetryDone:
        """Send an order again that is stuck, or that the ERP has rejected or not answered."""
        if not actions.retry(shop, order_id, audit_context(request, body.reason if body else None)):
            raise HTTPException(409, "the order does not exist, is being sent, or is already internalized")
        return RetryDone(state="waiting")

    @router.get("/orders/{shop}/{order_id:path}", tags=["look"], response_model=WholeOrder, summary="One order in full")
    def order(shop: str, order_id: str) -> dict[str, Any]:
        row = views.order(shop, order_id)
        if row is None:
            raise HTTPException(404, _why_absent(views, shop, order_id))
        return row

    return router


def _why_absent(views: Views, shop: str, order_id: str) -> str:
    sentence = f"the shop {shop} has placed no order with the id {order_id}"
    refused = views.rows(QuarantineFilter(shop, ORDERS, key=order_id), 1)
    if not refused:
        return sentence
    return f"{sentence}; it was refused ({refused[0]['reason']}): see /api/quarantine/{refused[0]['id']}"
