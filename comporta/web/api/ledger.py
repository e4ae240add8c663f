"""Ledger, its balance, and the estimated cost of a pause."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from pydantic import BaseModel

from comporta.web.api.params import (
    LISTED,
    Domain,
    FormatQuery,
    Shop,
    Since,
    Until,
    only_known,
    wanted_format,
)
from comporta.web.export import dump, export
from rules.cost import Cost
from rules.outcomes import Outcome
from schemas.control import ANY
from schemas.domains import DOMAIN_NAMES
from storage.views import (
    Balance,
    LedgerFilter,
    LedgerRow,
    Terms,
    Views,
)
from storage.views.ledger import Step

__all__ = ["ledger_router"]


_LONGEST_PAUSE = 366 * 24 * 60
Domains = Annotated[list[str], Query(description="The domains a pause would name; several, or * for all.")]
Minutes = Annotated[float, Query(gt=0, le=_LONGEST_PAUSE, allow_inf_nan=False, description="How long it would last.")]


class TermsDocument(BaseModel):
    """Deliveries that came in, counted before anything was decided, and what became of them."""

    received: int
    applied: int
    superseded: int
    discarded: int
    quarantined: int
    difference: int


class BalanceDocument(BaseModel):
    """Received = applied + superseded + discarded + quarantined + difference, in all and by domain.

    Of every shop: what could not be read belongs to none. Counted by whole minutes.
    """

    since: datetime | None
    until: datetime | None
    total: TermsDocument
    domains: dict[str, TermsDocument]


class BasisDocument(BaseModel):
    """What a cost is told from: what came in between two moments."""

    since: datetime
    until: datetime
    minutes: float
    changes: int
    orders: int


class CostDocument(BaseModel):
    """About how many changes a pause would discard and how many orders it would hold.

    Not `enough` means that the basis is less than 15 minutes long.
    """

    shop: str
    domains: list[str]
    minutes: float
    changes: int
    orders: int
    enough: bool
    basis: BasisDocument


def ledger_router(views: Views) -> APIRouter:
    """Route to the ledger, its balance and the cost of a pause."""
    router = APIRouter(prefix="/api", dependencies=[Depends(only_known)])

    @router.get(
        "/ledger", tags=["look"], response_model=list[LedgerRow], responses=LISTED, summary="Outcomes by minute or hour"
    )
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

    @router.get("/ledger/balance", tags=["look"], summary="What came in, against what became of it")
    def balance(since: Since = None, until: Until = None) -> BalanceDocument:
        """Without `since` from the ledger's beginning."""
        return balance_document(views.balance(since, until))

    @router.get("/cost", tags=["look"], summary="What a pause would cost, told from the last hour")
    def cost(shop: Shop = ANY, domains: Domains = [ANY], minutes: Minutes = 30.0) -> CostDocument:  # noqa: B006
        named = [name for each in domains for name in each.split(",")]
        for name in named:
            if name not in (ANY, *DOMAIN_NAMES):
                raise HTTPException(400, f"domains: no such domain; there are {', '.join((ANY, *DOMAIN_NAMES))}")
        return cost_document(shop or ANY, named, minutes, views.cost(shop or ANY, named, minutes))

    return router


def balance_document(balance: Balance) -> BalanceDocument:
    """A balance as it is answered."""
    return BalanceDocument(
        since=balance.since,
        until=balance.until,
        total=_terms(balance.total),
        domains={domain: _terms(terms) for domain, terms in balance.domains.items()},
    )


def cost_document(shop: str, domains: list[str], minutes: float, cost: Cost) -> CostDocument:
    """A cost as it is answered, with what was asked."""
    basis = BasisDocument(**cost.basis._asdict(), minutes=round(cost.basis.minutes, 1))
    return CostDocument(
        shop=shop,
        domains=domains,
        minutes=minutes,
        changes=cost.changes,
        orders=cost.orders,
        enough=cost.enough,
        basis=basis,
    )


def _terms(terms: Terms) -> TermsDocument:
    return TermsDocument(**terms._asdict(), difference=terms.difference)
