"""Orders: the list, one of them with what it holds, and sending again."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

import orjson
from fastapi import APIRouter, HTTPException, Request, Response

from comporta.web.pages.formats import indented
from comporta.web.pages.forms import Form, expected_of, run_action
from comporta.web.pages.i18n import N_
from comporta.web.pages.lists import blank_to_none, list_page
from comporta.web.pages.rendering import Pages, translate, translate_plural
from comporta.web.request import audit_context
from control.actions import OperatorActions
from rules.actions import Conflict
from rules.masking import mask_documents
from storage.views import OrderFilter, Views

__all__ = ["orders_router"]

_AGES = (10, 60, 1440)
RetriedState = Literal["rejected", "stuck"]


def orders_router(pages: Pages, views: Views, acting: OperatorActions) -> APIRouter:
    """The doors to orders."""
    router = APIRouter(include_in_schema=False)

    @router.get("/orders")
    def orders(
        request: Request, shop: str = "", state: str = "", text: str = "", older_than: str = "", overdue: str = ""
    ) -> Response:
        age = int(older_than) if older_than.isascii() and older_than.isdigit() and len(older_than) < 9 else None
        older = None if age is None else timedelta(seconds=age)
        listing = OrderFilter(blank_to_none(shop), blank_to_none(state), older, blank_to_none(text), overdue == "true")
        wanted = {"shop": shop, "state": state, "text": text, "older_than": older_than, "overdue": overdue}
        return list_page(pages, views, request, "orders.html", listing, wanted, "/api/orders", ages=_AGES)

    @router.get("/order")
    def order(request: Request, shop: str, id: str) -> Response:
        found = views.order(shop, id)
        if found is None:
            why = N_("Shop %(shop)s has placed no order with the id %(id)s.")
            raise HTTPException(404, translate(request, why, shop=shop, id=id))
        payload = mask_documents(indented(orjson.dumps(found["payload"]).decode()))
        return pages.render(request, "order.html", order=found, payload=payload, items=_items(found["payload"]))

    @router.post("/orders/retry")
    def retry(request: Request, shop: Form = "", id: Form = "") -> Response:
        def again() -> str:
            if not acting.retry(shop, id, audit_context(request)):
                raise Conflict(
                    translate(request, N_("There is no such order, or it is being sent, or internalized already."))
                )
            return translate(request, N_("Order %(id)s will be sent again."), id=id)

        return run_action(pages, request, again)

    @router.get("/orders/retry")
    def ask_retry(request: Request, shop: str = "", state: RetriedState = "rejected") -> Response:
        count = acting.count_retryable(OrderFilter(state=state, shop=blank_to_none(shop)))
        return pages.render(request, "ask/retry.html", count=count, shop=shop, state=state)

    @router.post("/orders/retry-many")
    def retry_many(request: Request, shop: Form = "", state: Form = "rejected", expected: Form = "") -> Response:
        def again() -> str:
            which = OrderFilter(state="stuck" if state == "stuck" else "rejected", shop=blank_to_none(shop))
            count = acting.retry_many(which, audit_context(request), expected_of(expected))
            return translate_plural(
                request, "%(count)s order will be sent again.", "%(count)s orders will be sent again.", count
            )

        return run_action(pages, request, again)

    return router


def _items(payload: object) -> list[dict[str, object]]:
    items = payload.get("items") if isinstance(payload, dict) else None
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
