"""What the API answers beside the rows of lists."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from rules.cost import Cost
from storage.views import Balance, Biography, MissedRow, QuarantineRow, Terms
from storage.views.biography import EntityRow
from storage.views.mentions import StandingOrder

__all__ = [
    "BalanceDocument",
    "BiographyDocument",
    "CostDocument",
    "QuarantinedDocument",
    "TermsDocument",
    "balance_document",
    "biography_document",
    "cost_document",
]


class QuarantinedDocument(BaseModel):
    """A refused message, whole; bytes of the body that are no UTF-8 are written as \\xNN."""

    id: str
    at: datetime
    shop: str
    domain: str
    reason: str
    pointer: str
    sentence: str
    routing_key: str
    content_type: str
    headers: Any
    body: str
    digest: str
    worker: str
    doc: str


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


class BoundDocument(BaseModel):
    """A table that was searched in part, and how many of its rows."""

    table: Literal["missed", "quarantine", "orders"]
    searched: int


class BiographyDocument(BaseModel):
    """Everything that is known of a text, with documents hidden; `more` names what was cut at 100 rows."""

    text: str
    entities: list[EntityRow]
    missed: list[MissedRow]
    quarantined: list[QuarantineRow]
    orders: list[StandingOrder]
    more: list[str]
    bounds: list[BoundDocument]


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


def biography_document(biography: Biography) -> BiographyDocument:
    """A biography as it is answered."""
    bounds = [BoundDocument.model_validate(bound._asdict()) for bound in biography.bounds]
    return BiographyDocument(**{**biography._asdict(), "bounds": bounds})


def _terms(terms: Terms) -> TermsDocument:
    return TermsDocument(**terms._asdict(), difference=terms.difference)
