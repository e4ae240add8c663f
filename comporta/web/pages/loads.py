"""Full loads: the list, one with its chunks, and the operator's confirmation or cancellation."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, HTTPException, Request, Response

from comporta.web.own_shops import own, owned
from comporta.web.pages.forms import Form, parse_expected, run_action
from comporta.web.pages.i18n import N_
from comporta.web.pages.lists import blank_to_none, list_page
from comporta.web.pages.renderer import Pages, translate, translate_plural
from comporta.web.request import audit_context
from control.actions import OperatorActions
from rules.full_load import LoadState
from storage.views import LoadFilter, Views
from storage.views.loads import WholeLoad

__all__ = ["loads_router"]

_TITLES = {"confirm": N_("Delete what the load has not named"), "cancel": N_("Cancel the load")}
_STATES = tuple(state.value for state in LoadState)


def loads_router(pages: Pages, views: Views, actions: OperatorActions) -> APIRouter:
    """Return the routes of full loads."""
    router = APIRouter(include_in_schema=False)

    @router.get("/loads")
    def loads(request: Request, shop: str = "", domain: str = "", state: str = "") -> Response:
        listing = own(request, LoadFilter(blank_to_none(shop), blank_to_none(domain), blank_to_none(state)))
        filters = {"shop": shop, "domain": domain, "state": state}
        return list_page(pages, views, request, "loads.html", listing, filters, "/api/loads", states=_STATES)

    def known(request: Request, shop: str, domain: str, id: str) -> WholeLoad:
        found = views.load(shop, domain, id) if owned(request, shop, domain) else None
        if found is None:
            text = N_("Shop %(shop)s has no load with the id %(id)s.")
            raise HTTPException(404, translate(request, text, shop=shop, id=id))
        return found

    @router.get("/load")
    def load(request: Request, shop: str, domain: str, id: str) -> Response:
        return pages.render(request, "load.html", load=known(request, shop, domain, id))

    @router.get("/load/{action}")
    def ask(request: Request, action: Literal["confirm", "cancel"], shop: str, domain: str, id: str) -> Response:
        title = translate(request, _TITLES[action])
        return pages.render(request, "ask/load.html", load=known(request, shop, domain, id), action=action, title=title)

    @router.post("/load/confirm")
    def confirm(
        request: Request,
        shop: Form = "",
        domain: Form = "",
        id: Form = "",
        expected: Form = "",
        reason: Form = "",
    ) -> Response:
        def run() -> str:
            context = audit_context(request, blank_to_none(reason))
            number = actions.confirm_load(shop, domain, id, parse_expected(expected), context)
            return translate_plural(request, "%(count)s key is deleted now.", "%(count)s keys are deleted now.", number)

        return run_action(pages, request, run)

    @router.post("/load/cancel")
    def cancel(request: Request, shop: Form = "", domain: Form = "", id: Form = "", reason: Form = "") -> Response:
        def run() -> str:
            actions.cancel_load(shop, domain, id, audit_context(request, blank_to_none(reason)))
            return translate(request, N_("The load %(id)s is cancelled: it deletes nothing more."), id=id)

        return run_action(pages, request, run)

    return router
