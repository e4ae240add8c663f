"""Missed keys: the list, and the request to the ERP."""

from __future__ import annotations

from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Header, HTTPException, Request, Response
from pydantic import BaseModel, Field, model_validator

from comporta.web.api.params import (
    LISTED,
    MOST_NAMED,
    After,
    ChangeDomain,
    FormatQuery,
    Limit,
    ShopName,
    Why,
    listed,
    missed_filter,
    only_known,
)
from comporta.web.request import audit_context
from control.actions import OperatorActions
from schemas.reasons import Refused
from storage.missed import key_of
from storage.views import (
    MissedFilter,
    MissedRow,
    Views,
)

__all__ = ["missed_router"]


RequestId = Annotated[
    str | None, Header(description="The same key gives messages of the same id for the same keys.", max_length=255)
]


class ResyncWanted(Why):
    """Which missed keys the ERP is asked for: all, those of a shop or domain, or exactly these of one of both."""

    shop: ShopName | None = None
    domain: ChangeDomain | None = None
    keys: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MOST_NAMED)] | None = None
    dry_run: bool = False
    expected: Annotated[int | None, Field(ge=0, description="The number that was shown; far more now are refused.")] = (
        None
    )

    @model_validator(mode="after")
    def _keys_have_a_scope(self) -> Self:
        if self.keys is not None and (self.shop is None or self.domain is None):
            raise ValueError("keys are those of one shop and domain: name both")
        return self

    @property
    def wanted(self) -> MissedFilter:
        """The keys that are meant; raises `Refused` if one can't be read."""
        if self.keys is None or self.domain is None:
            return MissedFilter(self.shop, self.domain)
        return MissedFilter(self.shop, self.domain, keys=tuple(key_of(self.domain, key) for key in self.keys))


class ResyncDone(BaseModel):
    """How many keys are missed, in how many messages they fit, and how many the ERP was asked for."""

    keys: int
    messages: int
    requested: int


def missed_router(views: Views, acting: OperatorActions) -> APIRouter:
    """Route to the missed keys; `ActError` is for the application to answer."""
    router = APIRouter(prefix="/api", dependencies=[Depends(only_known)])

    @router.get(
        "/missed", tags=["look"], response_model=list[MissedRow], responses=LISTED, summary="Missed keys, oldest first"
    )
    def missed(
        request: Request,
        which: Annotated[MissedFilter, Depends(missed_filter)],
        limit: Limit = 100,
        after: After = None,
        format: FormatQuery = None,
    ) -> Response:
        return listed(request, views, which, MissedRow, "missed", (limit, after, format))

    @router.post("/missed/resync", tags=["act"])
    def resync(request: Request, body: ResyncWanted, idempotency_key: RequestId = None) -> ResyncDone:
        """Asks the ERP to publish missed keys again: 200 once the broker has confirmed every message."""
        try:
            wanted = body.wanted
        except Refused as refused:
            raise HTTPException(400, f"a key can't be read: {refused.refusal}") from None
        done = acting.resync(
            wanted,
            audit_context(request, body.reason),
            dry_run=body.dry_run,
            expected=body.expected,
            request=idempotency_key,
        )
        return ResyncDone(**done._asdict())

    return router
