"""Orders: the list, one order with its items, and retry."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Literal

import orjson
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from comporta.web.pages.formats import indented
from comporta.web.pages.forms import Form, parse_expected, run_action
from comporta.web.pages.i18n import N_
from comporta.web.pages.lists import blank_to_none, list_page
from comporta.web.pages.order_changes import order_changes
from comporta.web.pages.renderer import Pages, address, translate, translate_plural
from comporta.web.request import audit_context
from control.actions import OperatorActions
from rules.actions import Conflict
from rules.masks import mask_documents
from schemas.control import StatusDocument
from schemas.domains import ORDERS
from storage.views import OrderFilter, QuarantineFilter, Views

__all__ = ["orders_router"]

_AGES_IN_MINUTES = (10, 60, 1440)
RetriedState = Literal["rejected", "stuck"]


def orders_router(pages: Pages, views: Views, actions: OperatorActions) -> APIRouter:
    """Return the routes of the orders."""
    router = APIRouter(include_in_schema=False)

    @router.get("/orders")
    def orders(
        request: Request,
        shop: str = "",
        state: str = "",
        text: str = "",
        older_than: str = "",
        overdue: str = "",
        attention: str = "",
    ) -> Response:
        counts = _counts(pages.status(), shop.strip())
        if not request.query_params and counts["attention"]:
            attention = "true"
        age = int(older_than) if older_than.isascii() and older_than.isdigit() and len(older_than) < 9 else None
        older = None if age is None else timedelta(seconds=age)
        listing = OrderFilter(blank_to_none(shop), blank_to_none(state), older, blank_to_none(text), overdue == "true")
        listing = replace(listing, attention=attention == "true")
        filters = {"shop": shop, "state": state, "text": text, "older_than": older_than, "overdue": overdue}
        filters |= {"attention": "true" if listing.attention else ""}
        values = {"ages": _AGES_IN_MINUTES, "counts": counts}
        return list_page(pages, views, request, "orders.html", listing, filters, "/api/orders", **values)

    @router.get("/order")
    def order(request: Request, shop: str, id: str) -> Response:
        row = views.order(shop, id)
        if row is None and views.rows(QuarantineFilter(shop, ORDERS, key=id), 1):
            return RedirectResponse(address(request, "/quarantine", shop=shop, domain=ORDERS, key=id), 303)
        if row is None:
            text = N_("Shop %(shop)s has placed no order with the id %(id)s.")
            raise HTTPException(404, translate(request, text, shop=shop, id=id))
        payload = mask_documents(indented(orjson.dumps(row["payload"]).decode()))
        return pages.render(
            request, "order.html", order=row, payload=payload, items=_items(row["payload"]), changes=order_changes(row)
        )

    @router.post("/orders/retry")
    def retry(request: Request, shop: Form = "", id: Form = "") -> Response:
        def run() -> str:
            if not actions.retry(shop, id, audit_context(request)):
                raise Conflict(
                    translate(request, N_("The order does not exist, is being sent, or is already internalized."))
                )
            return translate(request, N_("Order %(id)s will be sent again."), id=id)

        return run_action(pages, request, run)

    @router.get("/orders/retry")
    def retry_form(request: Request, shop: str = "", state: RetriedState = "rejected") -> Response:
        count = actions.count_retryable(OrderFilter(state=state, shop=blank_to_none(shop)))
        return pages.render(request, "ask/retry.html", count=count, shop=shop, state=state)

    @router.post("/orders/retry-many")
    def retry_many(request: Request, shop: Form = "", state: Form = "rejected", expected: Form = "") -> Response:
        def run() -> str:
            selection = OrderFilter(state="stuck" if state == "stuck" else "rejected", shop=blank_to_none(shop))
            count = actions.retry_many(selection, audit_context(request), parse_expected(expected))
            return translate_plural(
                request, "%(count)s order will be sent again.", "%(count)s orders will be sent again.", count
            )

        return run_action(pages, request, run)

    return router


def _counts(document: StatusDocument, shop: str) -> dict[str, int]:
    """Count the orders of every shop or of one by state, and those that need an operator."""
    counts: Counter[str] = Counter()
    for name, states in document.orders.items():
        if shop in ("", name):
            counts.update(states)
    overdue = sum(number for name, number in document.overdue_orders.items() if shop in ("", name))
    return {**counts, "all": sum(counts.values()), "attention": counts["rejected"] + counts["stuck"] + overdue}


def _items(payload: object) -> list[dict[str, object]]:
    items = payload.get("items") if isinstance(payload, dict) else None
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
