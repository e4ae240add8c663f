"""Order changes on the page: hold, release and cancel, of one order or of all that pass the filter."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi import Form as FormField
from pydantic import BaseModel

from comporta.web.pages.forms import Form, parse_expected, run_action
from comporta.web.pages.i18n import N_
from comporta.web.pages.lists import blank_to_none
from comporta.web.pages.renderer import Pages, translate, translate_plural
from comporta.web.request import audit_context
from control.actions import OperatorActions
from rules.cancellations import HOLDABLE
from rules.orders import CANCELLING, RETRYABLE, OrderState
from storage.order_changes import Change
from storage.views import OrderFilter

__all__ = ["order_changes", "order_changes_router"]

PageChange = Change | Literal["retry"]
_TITLES: Mapping[PageChange, str] = {
    "retry": N_("Send orders again"),
    "hold": N_("Hold orders"),
    "release": N_("Release orders"),
    "cancel": N_("Cancel orders"),
}
_EFFECTS: Mapping[PageChange, str] = {
    "retry": N_("They go to the ERP once more, which knows them by their ids."),
    "hold": N_("They don’t leave until they are released."),
    "release": N_("They wait for the ERP again."),
    "cancel": N_("They never leave; of those that are at the ERP, the ERP is told."),
}
_DONE: Mapping[Change, str] = {
    "hold": N_("Order %(id)s is held."),
    "release": N_("Order %(id)s waits for the ERP again."),
    "cancel": N_("The cancellation of order %(id)s is recorded."),
}


class _Filter(BaseModel):
    """Filter of the orders as query parameters or form fields; `order` has chosen ones as shop/id."""

    change: PageChange
    order: list[str] = []
    shop: str = ""
    state: str = ""
    older_than: str = ""
    text: str = ""
    overdue: str = ""

    @property
    def selection(self) -> OrderFilter:
        """Return the filter for the database."""
        seconds = self.older_than
        age = int(seconds) if seconds.isascii() and seconds.isdigit() and len(seconds) < 9 else None
        older = None if age is None else timedelta(seconds=age)
        names = (blank_to_none(self.shop), blank_to_none(self.state))
        pairs = (order.partition("/") for order in self.order)
        keys = tuple((shop, order_id) for shop, _, order_id in pairs) if self.order else None
        return OrderFilter(*names, older, blank_to_none(self.text), self.overdue == "true", keys=keys)


class _BulkForm(_Filter):
    """Form of a bulk change: the filter, the number of orders that the form showed, and the reason."""

    expected: str = ""
    why: str = ""


def order_changes(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the changes that the state of an order allows, each with its label."""
    cancelling = row["cancellation"] in CANCELLING
    state = row["state"]
    changes = []
    if state in RETRYABLE and not cancelling:
        changes.append(("retry", N_("Send again")))
    if state in HOLDABLE and not cancelling:
        changes.append(("hold", N_("Hold")))
    if state == OrderState.HELD:
        changes.append(("release", N_("Release")))
    if state != OrderState.CANCELLED and row["cancellation"] in (None, "refused", "cancel_requested"):
        changes.append(("cancel", N_("Cancel order")))
    return changes


def order_changes_router(pages: Pages, actions: OperatorActions) -> APIRouter:
    """Return the routes of order changes."""
    router = APIRouter(include_in_schema=False)

    @router.get("/orders/change")
    def change_form(request: Request, query: Annotated[_Filter, Query()]) -> Response:
        selection = query.selection
        count = (
            actions.count_retryable(selection)
            if query.change == "retry"
            else actions.count_changeable(query.change, selection)
        )
        return pages.render(
            request,
            "ask/order_change.html",
            change=query.change,
            title=translate(request, _TITLES[query.change]),
            effect=translate(request, _EFFECTS[query.change]),
            count=count,
            filters=query.model_dump(exclude_defaults=True, exclude={"change", "order"}),
            chosen=query.order,
        )

    @router.post("/orders/change")
    def change(request: Request, change: Annotated[Change, FormField()], shop: Form = "", id: Form = "") -> Response:
        def run() -> str:
            actions.change_order(change, shop, id, audit_context(request))
            return translate(request, _DONE[change], id=id)

        return run_action(pages, request, run)

    @router.post("/orders/change-many")
    def change_many(request: Request, form: Annotated[_BulkForm, FormField()]) -> Response:
        def run() -> str:
            context = audit_context(request, blank_to_none(form.why[:500]))
            expected = parse_expected(form.expected)
            if form.change == "retry":
                count = actions.retry_many(form.selection, context, expected)
            else:
                count = actions.change_orders(form.change, form.selection, context, expected)
            return translate_plural(request, "%(count)s order is changed.", "%(count)s orders are changed.", count)

        return run_action(pages, request, run)

    return router
