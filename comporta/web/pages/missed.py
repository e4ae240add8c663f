"""Missed keys: counts by domain, the list, resync; and the repair sheets."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from fastapi import APIRouter, Request, Response
from uuid_utils import uuid7

from comporta.web.own_shops import own
from comporta.web.pages.forms import Form, parse_expected, run_action
from comporta.web.pages.i18n import N_
from comporta.web.pages.lists import blank_to_none, list_page
from comporta.web.pages.renderer import Pages, translate
from comporta.web.request import audit_context
from control.actions import OperatorActions
from schemas.control import StatusDocument
from schemas.domains import DOMAIN_NAMES
from storage.repairs import Repairs
from storage.views import MissedFilter, Views

__all__ = ["missed_router"]

# So many shops are listed with their counts; the list below them has a filter for the others.
_SHOPS = 20


class _Counts(NamedTuple):
    """The missed keys of every shop or of one, by domain, and of the shops with the most."""

    domains: dict[str, int]
    shops: dict[str, int]
    more_shops: int

    @property
    def total(self) -> int:
        return sum(self.domains.values())


def missed_router(pages: Pages, views: Views, actions: OperatorActions, repairs: Repairs) -> APIRouter:
    """Return the routes of the missed keys and the repair sheets."""
    router = APIRouter(include_in_schema=False)

    @router.get("/missed")
    def missed(request: Request, shop: str = "", domain: str = "", text: str = "") -> Response:
        listing = own(request, MissedFilter(blank_to_none(shop), blank_to_none(domain), blank_to_none(text)))
        filters = {"shop": shop, "domain": domain, "text": text}
        counts = _counts(pages.document(request), shop.strip())
        return list_page(pages, views, request, "missed.html", listing, filters, "/api/missed", counts=counts)

    @router.get("/missed/resync")
    def resync_form(request: Request, shop: str = "", domain: str = "") -> Response:
        selection = MissedFilter(blank_to_none(shop), blank_to_none(domain))
        count, discarded = actions.count_missed(selection), actions.resync_discarded(selection)
        return pages.render(
            request,
            "ask/resync.html",
            count=count,
            asked=actions.count_asked(selection),
            discarded=discarded,
            shop=shop,
            domain=domain,
            request_id=str(uuid7()),
        )

    @router.post("/missed/resync")
    def resync(
        request: Request,
        shop: Form = "",
        domain: Form = "",
        expected: Form = "",
        request_id: Form = "",
        discard: Form = "",
        again: Form = "",
    ) -> Response:
        def run() -> str:
            selection = MissedFilter(blank_to_none(shop), blank_to_none(domain))
            result = actions.resync(
                selection,
                audit_context(request),
                expected=None if again else parse_expected(expected),
                again=bool(again),
                request=blank_to_none(request_id[:100]),
                discard=bool(discard),
            )
            text = N_("The ERP was asked for %(requested)s keys in %(messages)s messages.")
            return translate(request, text, requested=result.requested, messages=result.messages)

        return run_action(pages, request, run)

    @router.get("/repairs")
    def sheets(request: Request) -> Response:
        return pages.render(request, "repairs.html", sheets=repairs.sheets(), asked=views.asked())

    return router


def _counts(document: StatusDocument, shop: str) -> _Counts:
    domains: Counter[str] = Counter()
    shops: Counter[str] = Counter()
    for name, counts in document.missed.items():
        total = sum(counts.values())
        if total and shop in ("", name):
            shops[name] = total
            domains.update(counts)
    known = {name: domains[name] for name in DOMAIN_NAMES if domains[name]}
    return _Counts(known, dict(shops.most_common(_SHOPS)), max(0, len(shops) - _SHOPS))
