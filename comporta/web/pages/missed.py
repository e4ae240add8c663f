"""Missed keys: by domain, the list, requesting them again; and the repair sheets."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from uuid_utils import uuid7

from comporta.web.pages.forms import Form, expected_of, run_action
from comporta.web.pages.i18n import N_
from comporta.web.pages.lists import blank_to_none, list_page
from comporta.web.pages.rendering import Pages, translate
from comporta.web.request import audit_context
from control.actions import OperatorActions
from storage.repairs import Repairs
from storage.views import MissedFilter, Views

__all__ = ["missed_router"]


def missed_router(pages: Pages, views: Views, acting: OperatorActions, repairs: Repairs) -> APIRouter:
    """The doors to what was missed."""
    router = APIRouter(include_in_schema=False)

    @router.get("/missed")
    def missed(request: Request, shop: str = "", domain: str = "", text: str = "") -> Response:
        listing = MissedFilter(blank_to_none(shop), blank_to_none(domain), blank_to_none(text))
        wanted = {"shop": shop, "domain": domain, "text": text}
        return list_page(pages, views, request, "missed.html", listing, wanted, "/api/missed")

    @router.get("/missed/resync")
    def ask_resync(request: Request, shop: str = "", domain: str = "") -> Response:
        count = acting.count_missed(MissedFilter(blank_to_none(shop), blank_to_none(domain)))
        return pages.render(request, "ask/resync.html", count=count, shop=shop, domain=domain, request_id=str(uuid7()))

    @router.post("/missed/resync")
    def resync(
        request: Request, shop: Form = "", domain: Form = "", expected: Form = "", request_id: Form = ""
    ) -> Response:
        def ask() -> str:
            wanted = MissedFilter(blank_to_none(shop), blank_to_none(domain))
            done = acting.resync(
                wanted, audit_context(request), expected=expected_of(expected), request=blank_to_none(request_id[:100])
            )
            text = N_("The ERP was asked for %(requested)s keys in %(messages)s messages.")
            return translate(request, text, requested=done.requested, messages=done.messages)

        return run_action(pages, request, ask)

    @router.get("/repairs")
    def sheets(request: Request) -> Response:
        return pages.render(request, "repairs.html", sheets=repairs.sheets())

    return router
