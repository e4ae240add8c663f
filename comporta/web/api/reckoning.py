"""The ledger, its balance, what a pause would cost, and a key's biography."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response

from comporta.web.api.params import Domain, Shop, Since, Until
from comporta.web.api.shapes import (
    BalanceDocument,
    BiographyDocument,
    CostDocument,
    balance_document,
    biography_document,
    cost_document,
)
from comporta.web.export import dump, export
from comporta.web.paging import LISTED, FormatQuery, only_known, wanted_format
from rules.outcomes import Outcome
from schemas.control import ANY
from schemas.domains import DOMAIN_NAMES
from storage.views import LedgerFilter, LedgerRow, Views
from storage.views.ledger import Step

__all__ = ["reckoning_router"]

_LONGEST_PAUSE = 366 * 24 * 60
Domains = Annotated[list[str], Query(description="The domains a pause would name; several, or * for all.")]
Minutes = Annotated[float, Query(gt=0, le=_LONGEST_PAUSE, allow_inf_nan=False, description="How long it would last.")]
Text = Annotated[
    str,
    Query(
        min_length=1,
        max_length=200,
        pattern=r"^[^\x00]*[^\s\x00][^\x00]*$",
        description="A product's, customer's or price table's code, a document with or without its mask, an order.",
    ),
]


def reckoning_router(views: Views) -> APIRouter:
    """The doors to what is counted and looked up."""
    router = APIRouter(prefix="/api", tags=["look"], dependencies=[Depends(only_known)])

    @router.get("/ledger", response_model=list[LedgerRow], responses=LISTED, summary="Outcomes by minute or hour")
    def ledger(
        request: Request,
        step: Step = "minute",
        shop: Shop = None,
        domain: Domain = None,
        outcome: Outcome | None = None,
        since: Since = None,
        until: Until = None,
        format: FormatQuery = None,
    ) -> Response:
        """Oldest first; without `since` the last hour by minute, or the last day by hour."""
        rows = views.ledger(LedgerFilter(step, shop, domain, outcome, since, until))
        wanted = wanted_format(request, format)
        if wanted is not None:
            return export(rows, list(LedgerRow.__annotations__), wanted, "ledger")
        return Response(dump(rows), media_type="application/json")

    @router.get("/ledger/balance", summary="What came in, against what became of it")
    def balance(since: Since = None, until: Until = None) -> BalanceDocument:
        """Without `since` from the ledger's beginning."""
        return balance_document(views.balance(since, until))

    @router.get("/cost", summary="What a pause would cost, told from the last hour")
    def cost(shop: Shop = ANY, domains: Domains = [ANY], minutes: Minutes = 30.0) -> CostDocument:  # noqa: B006
        named = [name for each in domains for name in each.split(",")]
        for name in named:
            if name not in (ANY, *DOMAIN_NAMES):
                raise HTTPException(400, f"domains: no such domain; there are {', '.join((ANY, *DOMAIN_NAMES))}")
        return cost_document(shop or ANY, named, minutes, views.cost(shop or ANY, named, minutes))

    @router.get("/biography", summary="Everything that is known of a key")
    def biography(text: Text, shop: Shop = None) -> BiographyDocument:
        """Looked for in every table, exactly; in missed keys, refused messages and orders within the `bounds` said."""
        return biography_document(views.biography(text, shop))

    return router
