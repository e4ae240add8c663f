"""CloudEvents over HTTP: one, a batch, or in binary mode; all of a request or nothing (HTTP Protocol Binding 1.0.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from comporta.web.problems import problem
from comporta.web.request import media_type, read_body
from producers.events import CheckedEvent, outgoing_document
from producers.messages import Fate, Publish, PublishResult
from rules.outcomes import Outcome, RejectedDelivery
from schemas.binary import http_attributes
from schemas.events import CONTENT_TYPES, SHOP, STRUCTURED, ChangeEvent, load_json
from schemas.reasons import Reason, Refusal, Refused

__all__ = ["events_router"]

BATCH = "application/cloudevents-batch+json"
MAX_REQUEST = 8 * 1024 * 1024
# No event takes fewer bytes: a longer batch holds junk, and an error for each piece would fill the memory.
_SMALLEST_EVENT = 100
_RETRY_AFTER = "5"

Foresee = Callable[[Sequence[ChangeEvent | RejectedDelivery]], list[Outcome]]
Shop = Annotated[str, Query(description="The shop that all events of the request are for.")]
DryRun = Annotated[bool, Query(description="Only say what would become of each event; publish nothing.")]


class Accepted(BaseModel):
    """How many events the broker has confirmed."""

    accepted: int


class Foreseen(BaseModel):
    """What would become of one event; a refused one also has its reason, pointer, sentence and doc."""

    index: int
    outcome: Outcome
    reason: str | None = None
    pointer: str | None = None
    sentence: str | None = None
    doc: str | None = None


class ForeseenAll(BaseModel):
    """What would become of each event; nothing was published."""

    events: list[Foreseen]


_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"model": ForeseenAll, "description": "With dry_run: what would become of each event"},
    413: {"description": "More than 8 MiB"},
    415: {"description": "Not a content type of events"},
}
_BODIES = {
    "requestBody": {
        "required": True,
        "content": {
            STRUCTURED: {"schema": {"description": "One event"}},
            BATCH: {"schema": {"type": "array", "items": {"description": "One event"}}},
            "application/json": {"schema": {"description": "The data alone, with the attributes as ce- headers"}},
        },
    }
}


def events_router(publish: Publish, foresee: Foresee) -> APIRouter:
    """The door; `publish` returns once the broker has answered for every message."""
    router = APIRouter()

    @router.post(
        "/events",
        status_code=202,
        tags=["publish"],
        summary="Publishes the events of a request",
        response_model=Accepted,
        responses=_ANSWERS,
        openapi_extra=_BODIES,
    )
    async def events(request: Request, shop: Shop = "main", dry_run: DryRun = False) -> Response:
        """Publishes the events of a request: 202 once the broker has confirmed all of them."""
        body = await read_body(request, MAX_REQUEST, "a request with events")
        return await run_in_threadpool(_take, request, body, shop, dry_run)

    def _take(request: Request, body: bytes, shop: str, dry_run: bool) -> Response:
        try:
            documents = _documents(request, body)
            if not SHOP.fullmatch(shop):
                raise Refused(Reason.ROUTING_KEY, "", "shop must be a-z, 0-9 and -, with at most 63 characters")
        except Refused as refused:
            code = 415 if refused.refusal.reason is Reason.CONTENT_TYPE else 400
            return _problem(code, "the request can't be read; nothing was published", [_error(None, refused.refusal)])
        judged = [outgoing_document(shop, document) for document in documents]
        return _foreseen(judged, foresee) if dry_run else _published(judged, publish)

    return router


def _documents(request: Request, body: bytes) -> list[Any]:
    kind = media_type(request)
    if kind == BATCH:
        batch = load_json(body, MAX_REQUEST)
        if not isinstance(batch, list):
            raise Refused(Reason.BATCH_FORMAT, "", "a batch must be a JSON array of events")
        if len(batch) > MAX_REQUEST // _SMALLEST_EVENT:
            raise Refused(
                Reason.BATCH_FORMAT, "", f"no {len(batch)} events fit into a request: not all of these are events"
            )
        return batch
    if kind not in CONTENT_TYPES:
        raise Refused(
            Reason.CONTENT_TYPE,
            "",
            f"the content type must be {STRUCTURED}, {BATCH}, or application/json with ce- headers",
        )
    attributes = http_attributes(request.headers) if kind != STRUCTURED else None
    document = load_json(body)
    return [document if attributes is None else {**attributes, "data": document}]


def _published(judged: Sequence[CheckedEvent], publish: Publish) -> Response:
    errors = [_error(index, each.refusal) for index, each in enumerate(judged) if each.refusal is not None]
    if errors:
        return _problem(400, f"{len(errors)} of {len(judged)} events are refused; nothing was published", errors)
    results = publish([each.outgoing for each in judged if each.outgoing is not None])
    errors = [_error(index, _unpublished(result)) for index, result in enumerate(results) if _failed(result)]
    if errors:
        detail = f"{len(errors)} of {len(results)} events are not confirmed; send the request again, under the same ids"
        return _problem(503, detail, errors, {"Retry-After": _RETRY_AFTER})
    return JSONResponse({"accepted": len(results)}, 202)


def _foreseen(judged: Sequence[CheckedEvent], foresee: Foresee) -> Response:
    outcomes = foresee([each.item for each in judged if each.item is not None])
    found = [
        {"index": index, "outcome": outcome, **(each.refusal.as_json() if each.refusal else {})}
        for index, (each, outcome) in enumerate(zip(judged, outcomes, strict=True))
    ]
    return JSONResponse({"events": found})


def _failed(result: PublishResult) -> bool:
    return result.fate is not Fate.CONFIRMED


def _unpublished(result: PublishResult) -> Refusal:
    reason = Reason.UNROUTABLE if result.fate is Fate.RETURNED else Reason.UNCONFIRMED
    return Refusal(reason, "", result.detail)


def _error(index: int | None, refusal: Refusal) -> dict[str, Any]:
    return refusal.as_json() if index is None else {"index": index, **refusal.as_json()}


def _problem(code: int, detail: str, errors: list[dict[str, Any]], headers: dict[str, str] | None = None) -> Response:
    return problem(code, detail, title=_TITLES[code], errors=errors, headers=headers)


_TITLES = {400: "Events refused", 415: "Unsupported media type", 503: "Broker away"}
