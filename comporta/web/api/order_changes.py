"""Order changes by an operator: hold, release and cancel."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from comporta.web.api.params import MOST_NAMED, Many, RequestBody, ShopName, Why, only_known
from comporta.web.request import audit_context
from control.actions import OperatorActions
from rules.orders import OrderState
from storage.order_changes import Change
from storage.views import OrderFilter as ListedOrders
from storage.views import Views

__all__ = ["order_changes_router"]


class OrderNamed(RequestBody):
    """Order by its shop and id."""

    shop: ShopName
    order_id: Annotated[str, Field(min_length=1, max_length=500)]


class ChangeFilter(RequestBody):
    """Orders by any of these fields, as in the list; `older_than` in seconds since receipt; all without a field.

    `orders` are chosen ones; those of them whose state does not allow the change are left out.
    """

    shop: ShopName | None = None
    state: OrderState | None = None
    older_than: Annotated[float, Field(ge=0, le=10**9)] | None = None
    text: str | None = None
    overdue: bool = False
    attention: bool = False
    orders: Annotated[list[OrderNamed], Field(min_length=1, max_length=MOST_NAMED)] | None = None


class ManyChanges(Many):
    """Change of all orders that match a filter."""

    filter: ChangeFilter

    @property
    def selection(self) -> ListedOrders:
        """Return the selected orders."""
        chosen = self.filter
        age = None if chosen.older_than is None else timedelta(seconds=chosen.older_than)
        state = chosen.state and chosen.state.value
        keys = None if chosen.orders is None else tuple((each.shop, each.order_id) for each in chosen.orders)
        return ListedOrders(chosen.shop, state, age, chosen.text, chosen.overdue, chosen.attention, keys)


class ChangeDone(BaseModel):
    """State of the order after the change, and of its cancellation."""

    state: str
    cancellation: str | None


class ChangeManyDone(BaseModel):
    """Number of orders chosen, and of those changed."""

    chosen: int
    changed: int


def order_changes_router(views: Views, actions: OperatorActions) -> APIRouter:
    """Return the routes that change orders; the application handles `ActionError`."""
    router = APIRouter(prefix="/api", tags=["act"], dependencies=[Depends(only_known)])

    def change_many(change: Change, request: Request, body: ManyChanges) -> ChangeManyDone:
        if body.dry_run:
            return ChangeManyDone(chosen=actions.count_changeable(change, body.selection), changed=0)
        context = audit_context(request, body.reason)
        changed = actions.change_orders(change, body.selection, context, body.expected)
        return ChangeManyDone(chosen=changed, changed=changed)

    def change_one(change: Change, request: Request, shop: str, order_id: str, body: Why | None) -> ChangeDone:
        actions.change_order(change, shop, order_id, audit_context(request, body.reason if body else None))
        row = views.order(shop, order_id) or {}
        return ChangeDone(state=row["state"], cancellation=row["cancellation"])

    @router.post("/orders/hold")
    def hold_many(request: Request, body: ManyChanges) -> ChangeManyDone:
        """Set the chosen orders aside; 409 unless their number is the expected one."""
        return change_many("hold", request, body)

    @router.post("/orders/release")
    def release_many(request: Request, body: ManyChanges) -> ChangeManyDone:
        """Let the chosen orders go on; 409 unless their number is the expected one."""
        return change_many("release", request, body)

    @router.post("/orders/cancel")
    def cancel_many(request: Request, body: ManyChanges) -> ChangeManyDone:
        """Cancel the chosen orders; 409 unless their number is the expected one."""
        return change_many("cancel", request, body)

    @router.post("/orders/{shop}/{order_id:path}/hold")
    def hold(request: Request, shop: str, order_id: str, body: Why | None = None) -> ChangeDone:
        """Set an order aside: it does not leave until it is released."""
        return change_one("hold", request, shop, order_id, body)

    @router.post("/orders/{shop}/{order_id:path}/release")
    def release(request: Request, shop: str, order_id: str, body: Why | None = None) -> ChangeDone:
        """Let a held order go on."""
        return change_one("release", request, shop, order_id, body)

    @router.post("/orders/{shop}/{order_id:path}/cancel")
    def cancel(request: Request, shop: str, order_id: str, body: Why | None = None) -> ChangeDone:
        """Cancel an order: it never leaves, or the ERP is told."""
        return change_one("cancel", request, shop, order_id, body)

    return router
