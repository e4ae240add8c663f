"""Pauses: what each has cost, as JSON or as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request, Response
from pydantic import BaseModel

from comporta.web.api.params import LISTED, FormatQuery, export_format, only_known
from comporta.web.export import dump, export
from storage.views.pauses import PauseReport, PauseView

__all__ = ["PauseShown", "pauses_router"]

_MOST = 2**63 - 1
_COLUMNS = (
    *("epoch", "by", "reason", "since", "scope_shop", "scope_domain", "ended_at", "ended_by"),
    *("shop", "domain", "discarded", "keys", "left", "made_good_at"),
)


class EndShown(BaseModel):
    """Resume or expiry that has ended a pause of a scope."""

    epoch: int
    at: datetime
    action: str
    by: str
    reason: str | None


class CostShown(BaseModel):
    """Cost for one shop and domain; `keys` is null if nobody counted them at the end."""

    shop: str
    domain: str
    discarded: int
    keys: int | None
    left: int


class ScopeShown(BaseModel):
    """One scope of a pause; `ended` is null while it is off."""

    shop: str
    domain: str
    until: datetime | None
    ended: EndShown | None
    orders_held: int | None
    longest_wait_seconds: float | None
    made_good_at: datetime | None
    left: int
    lines: list[CostShown]


class PauseShown(BaseModel):
    """Pause from the epoch of its off; times that have not come yet, and numbers that nobody counted, are null."""

    epoch: int
    state: Literal["off", "on"]
    by: str
    reason: str
    since: datetime
    ended_at: datetime | None
    discarded: dict[str, int]
    keys: int | None
    left: int
    made_good_at: datetime | None
    orders_held: int | None
    longest_wait_seconds: float | None
    scopes: list[ScopeShown]


def pauses_router(pauses: PauseView) -> APIRouter:
    """Return the routes of the pauses."""
    router = APIRouter(prefix="/api", tags=["look"], dependencies=[Depends(only_known)])

    @router.get("/pauses")
    def newest(limit: Annotated[int, Query(ge=1, le=100)] = 20) -> list[PauseShown]:
        """Return the pauses, newest first, with what each has cost."""
        return [PauseShown.model_validate(report.document()) for report in pauses.newest(limit)]

    @router.get("/pauses/{epoch}", response_model=PauseShown, responses=LISTED)
    def one(request: Request, epoch: Annotated[int, Path(ge=0, le=_MOST)], format: FormatQuery = None) -> Response:
        """Return the pause that began with this epoch; as CSV one line for each shop and domain."""
        report = pauses.one(epoch)
        if report is None:
            raise HTTPException(404, f"no pause began with the epoch {epoch}; /api/pauses lists the pauses")
        if export_format(request, format) == "csv":
            return export(_rows(report), _COLUMNS, "csv", f"pause-{epoch}")
        return Response(dump(report.document()), media_type="application/json")

    return router


def _rows(report: PauseReport) -> Iterator[dict[str, Any]]:
    for scope in report.scopes:
        heading = {
            "epoch": report.epoch,
            "by": report.by,
            "reason": report.reason,
            "since": report.since,
            "scope_shop": scope.shop,
            "scope_domain": scope.domain,
            "made_good_at": scope.made_good_at,
            "ended_at": scope.ended and scope.ended.at,
            "ended_by": scope.ended and scope.ended.by,
        }
        nothing = {"shop": None, "domain": None, "discarded": None, "keys": None, "left": None}
        for line in scope.lines or (None,):
            yield {**heading, **(nothing if line is None else line._asdict())}
