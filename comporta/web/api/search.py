"""Search by key: everything stored about a product, customer, price table, order or document."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from comporta.web.api.params import (
    Shop,
    only_known,
)
from storage.views import (
    Biography,
    MissedRow,
    QuarantineRow,
    Views,
)
from storage.views.biography import EntityRow
from storage.views.mentions import StandingOrder

__all__ = ["search_router"]


Text = Annotated[
    str,
    Query(
        min_length=1,
        max_length=200,
        pattern=r"^[^\x00]*[^\s\x00][^\x00]*$",
        description="Code of a product, customer or price table, a document with or without mask, or an order id.",
    ),
]


class BoundDocument(BaseModel):
    """Table that was searched only in part, with the number of rows searched."""

    table: Literal["missed", "quarantine", "quarantine.body", "orders"]
    searched: int


class BiographyDocument(BaseModel):
    """Everything stored about a text, with documents masked; `more` names the lists that were cut at 100 rows."""

    text: str
    entities: list[EntityRow]
    missed: list[MissedRow]
    quarantined: list[QuarantineRow]
    orders: list[StandingOrder]
    more: list[str]
    bounds: list[BoundDocument]


def search_router(views: Views) -> APIRouter:
    """Return the route of the biography of a key."""
    router = APIRouter(prefix="/api", dependencies=[Depends(only_known)])

    @router.get("/biography", tags=["look"], summary="Everything stored about a key")
    def biography(text: Text, shop: Shop = None) -> BiographyDocument:
        """Return the exact matches in every table; missed keys, quarantine and orders are searched within `bounds`."""
        return biography_document(views.biography(text, shop))

    return router


def biography_document(biography: Biography) -> BiographyDocument:
    """Return the JSON model of a biography."""
    bounds = [BoundDocument.model_validate(bound._asdict()) for bound in biography.bounds]
    return BiographyDocument(**{**biography._asdict(), "bounds": bounds})
