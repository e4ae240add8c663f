"""Quarantine: the list, one message whole, replay and drop."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from pydantic import AwareDatetime, BaseModel, Field

from comporta.web.api.params import (
    LISTED,
    MOST_NAMED,
    After,
    FormatQuery,
    Limit,
    Many,
    ReasonQuery,
    RequestBody,
    Why,
    listed,
    only_known,
    quarantine_filter,
)
from comporta.web.request import audit_context
from control.actions import OperatorActions
from control.replay import ReplayResult
from storage.views import (
    QuarantineFilter,
    QuarantineRow,
    Views,
)

__all__ = ["quarantine_router"]


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


class MessageFilter(RequestBody):
    """Which messages of the quarantine; without any member, all."""

    ids: Annotated[list[str], Field(min_length=1, max_length=MOST_NAMED)] | None = None
    shop: str | None = None
    domain: str | None = None
    reason: str | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


class ManyMessages(Many):
    """Many messages of the quarantine."""

    filter: MessageFilter

    @property
    def chosen(self) -> QuarantineFilter:
        """The messages that are meant."""
        said = self.filter.model_dump()
        return QuarantineFilter(**{**said, "ids": said["ids"] and tuple(said["ids"])})


class UnreplayedShown(BaseModel):
    """A message that can't be replayed, and why."""

    id: str
    why: str


class ReplayDone(BaseModel):
    """Of the chosen messages: how many are on their way again, can't be and stay, and were not tried."""

    chosen: int
    replayed: int
    staying: int
    refused: list[UnreplayedShown]
    left: int
    error: str | None

    @classmethod
    def of(cls, done: ReplayResult) -> Self:
        """The answer for what came of a replay."""
        refused = [UnreplayedShown(id=each.id, why=each.why) for each in done.refused]
        return cls.model_validate({**vars(done), "refused": refused})


class DropDone(BaseModel):
    """How many messages were chosen, and removed for good."""

    chosen: int
    dropped: int


def quarantine_router(views: Views, acting: OperatorActions) -> APIRouter:
    """Route to the quarantine; `ActError` is for the application to answer."""
    router = APIRouter(prefix="/api", dependencies=[Depends(only_known)])

    @router.get(
        "/quarantine",
        tags=["look"],
        response_model=list[QuarantineRow],
        responses=LISTED,
        summary="Refused messages, newest first",
    )
    def quarantine(
        request: Request,
        which: Annotated[QuarantineFilter, Depends(quarantine_filter)],
        limit: Limit = 100,
        after: After = None,
        format: FormatQuery = None,
    ) -> Response:
        return listed(request, views, which, QuarantineRow, "quarantine", (limit, after, format))

    @router.post("/quarantine/replay", tags=["act"])
    def replay_many(request: Request, body: ManyMessages) -> ReplayDone:
        """Publishes the chosen messages again, as they were; 409 if they are not as many as expected."""
        if body.dry_run:
            return ReplayDone.of(ReplayResult(acting.count_quarantined(body.chosen)))
        return ReplayDone.of(acting.replay_many(body.chosen, audit_context(request, body.reason), body.expected))

    @router.post("/quarantine/drop", tags=["act"])
    def drop_many(request: Request, body: ManyMessages) -> DropDone:
        """Removes the chosen messages for good; 409 if they are not as many as expected."""
        if body.dry_run:
            return DropDone(chosen=acting.count_quarantined(body.chosen), dropped=0)
        dropped = acting.drop_many(body.chosen, audit_context(request, body.reason), body.expected)
        return DropDone(chosen=dropped, dropped=dropped)

    @router.get(
        "/quarantine/{identity}",
        tags=["look"],
        response_model=QuarantinedDocument,
        summary="One refused message, whole",
    )
    def quarantined(identity: str) -> dict[str, Any]:
        found = views.quarantined_message(identity)
        if found is None:
            raise HTTPException(404, f"nothing with the id {identity} is in the quarantine")
        return {**found, "body": found["body"].decode(errors="backslashreplace")}

    @router.post("/quarantine/{identity}/replay", tags=["act"])
    def replay(request: Request, identity: str, body: Why | None = None) -> ReplayDone:
        """Publishes a message again, as it was; it passes the switch like any other."""
        acting.replay(identity, audit_context(request, body.reason if body else None))
        return ReplayDone.of(ReplayResult(1, 1))

    @router.delete("/quarantine/{identity}", tags=["act"])
    def drop(request: Request, identity: str, reason: ReasonQuery = None) -> DropDone:
        """Removes a message for good."""
        acting.drop(identity, audit_context(request, reason))
        return DropDone(chosen=1, dropped=1)

    return router
