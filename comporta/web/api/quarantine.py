"""Quarantine: the list, one message in full, replay and drop."""

from __future__ import annotations

import codecs
from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field

from comporta.web.api.params import (
    LISTED,
    MOST_NAMED,
    After,
    Discard,
    FormatQuery,
    Limit,
    Many,
    ReasonQuery,
    RequestBody,
    Why,
    is_zero,
    listed,
    only_known,
    quarantine_filter,
)
from comporta.web.own_shops import owned
from comporta.web.request import audit_context
from control.actions import OperatorActions
from control.replay import ReplayResult
from storage.views import (
    QuarantineFilter,
    QuarantineRow,
    Views,
)

__all__ = ["MOST_BODY", "body_text", "quarantine_router"]


# Bytes of a body that a message's document holds; the whole is streamed.
MOST_BODY = 256 * 1024
# A UUID is the same in capitals (RFC 9562, section 4); the table has small letters.
Identity = Annotated[str, AfterValidator(str.lower)]


class QuarantinedDocument(BaseModel):
    """Quarantined message; bytes of the body that are not UTF-8 are written as \\xNN.

    `size` is that of the body in bytes. Where `cut` is true, `body` is only its beginning, and the whole is at
    /api/quarantine/{id}/body.
    """

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
    size: int
    cut: bool
    digest: str
    worker: str
    key: str | None
    subject: str | None
    doc: str


class MessageFilter(RequestBody):
    """Quarantined messages by any of these fields; all without a field."""

    ids: Annotated[list[Identity], Field(min_length=1, max_length=MOST_NAMED)] | None = None
    shop: str | None = None
    domain: str | None = None
    reason: str | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


class ManyMessages(Many):
    """Bulk action on the messages that match a filter."""

    filter: MessageFilter

    @property
    def selection(self) -> QuarantineFilter:
        """Return the selected messages."""
        fields = self.filter.model_dump()
        return QuarantineFilter(**{**fields, "ids": fields["ids"] and tuple(fields["ids"])})


class ManyReplays(ManyMessages):
    """Replay of the messages that match a filter."""

    discard: Discard = False


class ReplayWanted(Why):
    """Replay of one message."""

    discard: Discard = False


class UnreplayedShown(BaseModel):
    """Message that can't be replayed, with the cause."""

    id: str
    why: str


class ReplayDone(BaseModel):
    """Number of chosen messages: replayed, staying because they can't be replayed, and left untried.

    A dry run names in `discarded` those that would be discarded on arrival, if there are any.
    """

    chosen: int
    replayed: int
    staying: int
    refused: list[UnreplayedShown]
    left: int
    error: str | None
    discarded: Annotated[int, Field(exclude_if=is_zero)] = 0

    @classmethod
    def of(cls, result: ReplayResult, discarded: int = 0) -> Self:
        """Build the response from the result of a replay."""
        refused = [UnreplayedShown(id=failure.id, why=failure.why) for failure in result.refused]
        return cls.model_validate({**vars(result), "refused": refused, "discarded": discarded})


class DropDone(BaseModel):
    """Number of messages chosen, and of those permanently removed."""

    chosen: int
    dropped: int


class AcceptDone(BaseModel):
    """The order that was accepted, and its state now."""

    shop: str
    order_id: str
    state: str


def quarantine_router(views: Views, actions: OperatorActions) -> APIRouter:
    """Return the routes of the quarantine; the application handles `ActionError`."""
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
        filters: Annotated[QuarantineFilter, Depends(quarantine_filter)],
        limit: Limit = 100,
        after: After = None,
        format: FormatQuery = None,
    ) -> Response:
        return listed(request, views, filters, QuarantineRow, "quarantine", (limit, after, format))

    @router.post("/quarantine/replay", tags=["act"])
    def replay_many(request: Request, body: ManyReplays) -> ReplayDone:
        """Publish the chosen messages again, unchanged; 409 unless their number is the expected one.

        428 if some would be discarded, since they are off, unless the body says `discard`.
        """
        if body.dry_run:
            discarded = actions.replays_discarded(body.selection)
            return ReplayDone.of(ReplayResult(actions.count_quarantined(body.selection)), discarded)
        context = audit_context(request, body.reason)
        return ReplayDone.of(actions.replay_many(body.selection, context, body.expected, discard=body.discard))

    @router.post("/quarantine/drop", tags=["act"])
    def drop_many(request: Request, body: ManyMessages) -> DropDone:
        """Remove the chosen messages permanently; 409 unless their number is the expected one."""
        if body.dry_run:
            return DropDone(chosen=actions.count_quarantined(body.selection), dropped=0)
        dropped = actions.drop_many(body.selection, audit_context(request, body.reason), body.expected)
        return DropDone(chosen=dropped, dropped=dropped)

    @router.get(
        "/quarantine/{identity}",
        tags=["look"],
        response_model=QuarantinedDocument,
        summary="One quarantined message, with the beginning of its body",
    )
    def quarantined(request: Request, identity: Identity) -> dict[str, Any]:
        row = views.quarantined_message(identity, MOST_BODY)
        if row is None or not owned(request, row["shop"], row["domain"]):
            raise _unknown(identity)
        cut = row["size"] > len(row["body"])
        return {**row, "body": body_text(row["body"], cut=cut), "cut": cut}

    @router.get(
        "/quarantine/{identity}/body",
        tags=["look"],
        response_class=Response,
        responses=_BODY,
        summary="The whole body of a quarantined message, as it was received",
    )
    def body(request: Request, identity: Identity) -> Response:
        found = views.quarantined_body(identity)
        if found is None or not owned(request, found.shop, found.domain):
            raise _unknown(identity)
        size, pieces = found.size, found.pieces
        # As a download of no known type: the body is whatever somebody has sent.
        headers = {"Content-Length": str(size), "Content-Disposition": f'attachment; filename="{identity}"'}
        return StreamingResponse(pieces, media_type="application/octet-stream", headers=headers)

    @router.post("/quarantine/{identity}/replay", tags=["act"])
    def replay(request: Request, identity: Identity, body: ReplayWanted | None = None) -> ReplayDone:
        """Publish a message again, unchanged; 428 if it would be discarded, unless the body says `discard`."""
        wanted = body or ReplayWanted()
        actions.replay(identity, audit_context(request, wanted.reason), discard=wanted.discard)
        return ReplayDone.of(ReplayResult(1, 1))

    @router.post("/quarantine/{identity}/accept", tags=["act"])
    def accept(request: Request, identity: Identity, body: Why | None = None) -> AcceptDone:
        """Accept an order as it is that was refused for a sum or a check digit; 409 if anything else is wrong."""
        accepted = actions.accept(identity, audit_context(request, body.reason if body else None))
        return AcceptDone.model_validate(accepted._asdict())

    @router.delete("/quarantine/{identity}", tags=["act"])
    def drop(request: Request, identity: Identity, reason: ReasonQuery = None) -> DropDone:
        """Remove a message permanently."""
        actions.drop(identity, audit_context(request, reason))
        return DropDone(chosen=1, dropped=1)

    return router


def body_text(body: bytes, *, cut: bool) -> str:
    """Return a body as text; a character that a cut has split is left out."""
    return codecs.getincrementaldecoder("utf-8")("backslashreplace").decode(body, final=not cut)


def _unknown(identity: str) -> HTTPException:
    return HTTPException(404, f"no message with the id {identity} is in the quarantine")


_BODY: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
}
