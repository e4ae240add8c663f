"""Repair sheets: the missed keys that each resume left to repair."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from comporta.web.api.params import (
    only_known,
)
from storage.repairs import Repairs, Sheet

__all__ = ["repairs_router"]


class ScopeShown(BaseModel):
    """Scope of a switch: a shop and a domain, each possibly `*`."""

    shop: str
    domain: str


class LineShown(BaseModel):
    """One shop and domain of a sheet; `missed` is null if it was not counted."""

    shop: str
    domain: str
    missed: int | None
    left: int


class SheetShown(BaseModel):
    """Repair sheet of a resume or of a pause that expired."""

    epoch: int
    at: datetime
    action: Literal["resume", "expire"]
    scopes: list[ScopeShown]
    by: str
    reason: str
    missed: int | None
    left: int
    lines: list[LineShown]
    done_at: Annotated[datetime | None, Field(description="Time at which no key was left; null while some are.")]
    seconds: Annotated[float | None, Field(description="Seconds from the resume until no key was left.")]

    @classmethod
    def of(cls, sheet: Sheet) -> Self:
        """Build the response from a sheet."""
        fields = sheet._asdict()
        fields["scopes"] = [{"shop": shop, "domain": domain} for shop, domain in sheet.scopes]
        fields["seconds"] = sheet.seconds
        fields["lines"] = [line._asdict() for line in sheet.lines]
        return cls.model_validate(fields)


def repairs_router(repairs: Repairs) -> APIRouter:
    """Return the route of the repair sheets."""
    router = APIRouter(prefix="/api", dependencies=[Depends(only_known)])

    @router.get("/repairs", tags=["act"])
    def sheets(limit: Annotated[int, Query(ge=1, le=100)] = 20) -> list[SheetShown]:
        """Return the repair sheets, newest first: keys missed at each resume, and keys still left."""
        return [SheetShown.of(sheet) for sheet in repairs.sheets(limit)]

    return router
