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
    export_format,
    only_known,
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
Domains = Annotated[list[str], Query(description="Domains of the pause; several, or * for all.")]
Minutes = Annotated[
    float, Query(gt=0, le=_LONGEST_PAUSE, allow_inf_nan=False, description="Duration of the pause in minutes.")
]


class TermsDocument(BaseModel):
    """Deliveries received, counted before any decision, and their outcomes."""

    received: int
    applied: int
    superseded: int
    discarded: int
    quarantined: int
    difference: int


class BalanceDocument(BaseModel):
    """Received = applied + superseded + discarded + quarantined + difference, in total and by domain.

    Covers every shop, because a delivery that can't be read has no shop. Counted in whole minutes.
    """

    since: datetime | None
    until: datetime | None
    total: TermsDocument
    domains: dict[str, TermsDocument]


class BasisDocument(BaseModel):
    """Traffic between two moments, on which an estimate is based."""

    since: datetime
    until: datetime
    minutes: float
    changes: int
    orders: int


class CostDocument(BaseModel):
    """Estimated number of changes that a pause would discard and of orders that it would hold.

    `enough` is false if the basis is shorter than 15 minutes.
    """

    shop: str
    domains: list[str]
    minutes: float
    changes: int
    orders: int
    enough: bool
    basis: BasisDocument


def ledger_router(views: Views) -> APIRouter:
    """Return the routes of the ledger, its balance and the estimated cost of a pause."""
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
        """Return outcomes by `step`, oldest first; without `since`, the last hour by minute or the last day by hour."""
        rows = views.ledger(LedgerFilter(step, shop, domain, outcome, since, until))
        file_format = export_format(request, format)
        if file_format is not None:
            return export(rows, list(LedgerRow.__annotations__), file_format, "ledger")
        return Response(dump(rows), media_type="application/json")

    @router.get("/ledger/balance", tags=["look"], summary="Received deliveries against their outcomes")
    def balance(since: Since = None, until: Until = None) -> BalanceDocument:
        """Return the balance; without `since`, from the beginning of the ledger."""
        return balance_document(views.balance(since, until))

    @router.get("/cost", tags=["look"], summary="Estimated cost of a pause, based on the last hour")
    def cost(shop: Shop = ANY, domains: Domains = [ANY], minutes: Minutes = 30.0) -> CostDocument:  # noqa: B006
        names = [name for value in domains for name in value.split(",")]
        for name in names:
            if name not in (ANY, *DOMAIN_NAMES):
                raise HTTPException(400, f"domains: no such domain; the domains are {', '.join((ANY, *DOMAIN_NAMES))}")
        return cost_document(shop or ANY, names, minutes, views.cost(shop or ANY, names, minutes))

    return router


def balance_document(balance: Balance) -> BalanceDocument:
    """Return the JSON model of a balance."""
    return BalanceDocument(
        since=balance.since,
        until=balance.until,
        total=_terms(balance.total),
        domains={domain: _terms(terms) for domain, terms in balance.domains.items()},
    )


def cost_document(shop: str, domains: list[str], minutes: float, cost: Cost) -> CostDocument:
    """Return the JSON model of an estimated cost, with the pause it is for."""
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
