"""Search for everything known of a key."""

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
        description="A product's, customer's or price table's code, a document with or without its mask, an order.",
    ),
]


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


def search_router(views: Views) -> APIRouter:
    """Route to the biography of a key."""
    router = APIRouter(prefix="/api", dependencies=[Depends(only_known)])

    @router.get("/biography", tags=["look"], summary="Everything that is known of a key")
    def biography(text: Text, shop: Shop = None) -> BiographyDocument:
        """Looked for in every table, exactly; in missed keys, refused messages and orders within the `bounds` said."""
        return biography_document(views.biography(text, shop))

    return router


def biography_document(biography: Biography) -> BiographyDocument:
    """A biography as it is answered."""
    bounds = [BoundDocument.model_validate(bound._asdict()) for bound in biography.bounds]
    return BiographyDocument(**{**biography._asdict(), "bounds": bounds})
