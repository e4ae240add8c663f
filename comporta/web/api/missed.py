"""Missed keys: the list, and the resync request to the ERP."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Header, HTTPException, Request, Response
from pydantic import BaseModel, Field, model_validator

from comporta.web.api.params import (
    LISTED,
    MOST_NAMED,
    After,
    ChangeDomain,
    Discard,
    FormatQuery,
    Limit,
    ShopName,
    Why,
    is_zero,
    listed,
    missed_filter,
    only_known,
)
from comporta.web.request import audit_context
from control.actions import OperatorActions
from control.resync_windows import ResyncWindow
from schemas.fields import Time
from schemas.reasons import Refused
from storage.missed import key_of
from storage.views import (
    MissedFilter,
    MissedRow,
    Views,
)

__all__ = ["missed_router"]


RequestId = Annotated[
    str | None, Header(description="The same value produces the same message ids for the same keys.", max_length=255)
]


class ResyncWanted(Why):
    """Missed keys to request from the ERP: all, those of a shop or domain, or the given keys of one shop and domain."""

    shop: ShopName | None = None
    discard: Discard = False
    domain: ChangeDomain | None = None
    keys: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MOST_NAMED)] | None = None
    dry_run: bool = False
    again: Annotated[bool, Field(description="Request keys again that were requested a moment ago.")] = False
    expected: Annotated[
        int | None, Field(ge=0, description="Number that was shown; the request is refused if far more are missed now.")
    ] = None

    @model_validator(mode="after")
    def _keys_have_a_scope(self) -> Self:
        if self.keys is not None and (self.shop is None or self.domain is None):
            raise ValueError("keys require both shop and domain")
        return self

    @property
    def selection(self) -> MissedFilter:
        """Return the selected keys; raises `Refused` if one can't be read."""
        if self.keys is None or self.domain is None:
            return MissedFilter(self.shop, self.domain)
        return MissedFilter(self.shop, self.domain, keys=tuple(key_of(self.domain, key) for key in self.keys))


class WindowWanted(Why):
    """A window of time, its end excluded, of one shop or all known ones, and one domain or all."""

    since: Time
    until: Time | None = None
    shop: ShopName | None = None
    domain: ChangeDomain | None = None
    dry_run: bool = False

    @model_validator(mode="after")
    def _is_a_window(self) -> Self:
        if self.since >= self.window.until:
            raise ValueError("since must lie before until, which is now unless given")
        return self

    @property
    def window(self) -> ResyncWindow:
        """Return the window; without an end it ends now."""
        return ResyncWindow(self.since, self.until or datetime.now(UTC), self.shop, self.domain)


class WindowDone(BaseModel):
    """Number of messages: one for each shop and domain."""

    messages: int


class ResyncDone(BaseModel):
    """Number of missed keys that are due, of messages that they fit into, and of keys requested from the ERP.

    `asked_recently` counts those that are left out: the ERP was asked for them a moment ago. A dry run names in
    `discarded` the keys whose events would be discarded on arrival, if there are any.
    """

    keys: int
    messages: int
    requested: int
    asked_recently: int
    discarded: Annotated[int, Field(exclude_if=is_zero)] = 0


def missed_router(views: Views, actions: OperatorActions) -> APIRouter:
    """Return the routes of missed keys; the application handles `ActionError`."""
    router = APIRouter(prefix="/api", dependencies=[Depends(only_known)])

    @router.get(
        "/missed", tags=["look"], response_model=list[MissedRow], responses=LISTED, summary="Missed keys, oldest first"
    )
    def missed(
        request: Request,
        filters: Annotated[MissedFilter, Depends(missed_filter)],
        limit: Limit = 100,
        after: After = None,
        format: FormatQuery = None,
    ) -> Response:
        return listed(request, views, filters, MissedRow, "missed", (limit, after, format))

    @router.post("/missed/resync", tags=["act"])
    def resync(request: Request, body: ResyncWanted | None = None, idempotency_key: RequestId = None) -> ResyncDone:
        """Request missed keys from the ERP again: 200 once the broker has confirmed every message.

        Without a body all that are missed. 428 if the ERP's answers would be discarded, since their domain is off,
        unless the body says `discard`.
        """
        body = body or ResyncWanted()
        try:
            selection = body.selection
        except Refused as refused:
            raise HTTPException(400, f"a key can't be read: {refused.refusal}") from None
        recent = 0 if body.again else actions.count_asked(selection)
        result = actions.resync(
            selection,
            audit_context(request, body.reason),
            dry_run=body.dry_run,
            expected=body.expected,
            request=idempotency_key,
            discard=body.discard,
            again=body.again,
        )
        discarded = actions.resync_discarded(selection) if body.dry_run else 0
        return ResyncDone(**result._asdict(), asked_recently=recent, discarded=discarded)

    @router.post("/missed/resync/window", tags=["act"])
    def resync_window(request: Request, body: WindowWanted) -> WindowDone:
        """Request what the ERP has changed in a window of time, for what never reached the broker.

        409 while any of it is off: the ERP's answers would be discarded.
        """
        context = audit_context(request, body.reason)
        return WindowDone(messages=actions.windows.request(body.window, context, dry_run=body.dry_run))

    return router
