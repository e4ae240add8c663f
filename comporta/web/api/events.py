"""CloudEvents over HTTP: one event, a batch or binary mode; all or none are published (HTTP Protocol Binding 1.0.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from comporta.web.problems import problem
from comporta.web.request import media_type, read_body
from producers.events import CheckedEvent, far_superseded, outgoing_document
from producers.messages import Fate, Publish, PublishResult
from rules.outcomes import Outcome, RejectedDelivery
from schemas.binary import http_attributes
from schemas.events import CONTENT_TYPES, SHOP, STRUCTURED, ChangeEvent, load_json
from schemas.full_load import LoadMessage
from schemas.reasons import Reason, Refusal, Refused
from schemas.warnings import WarningCode
from storage.dry_run import Prediction

__all__ = ["PredictOutcomes", "StoredVersions", "events_router"]

BATCH = "application/cloudevents-batch+json"
MAX_REQUEST = 8 * 1024 * 1024
# Lower bound of an event's size: a batch with more items contains junk, and an error per item would fill the memory.
_MIN_EVENT_BYTES = 100
_RETRY_AFTER = "5"
_UNSUPPORTED = frozenset({Reason.CONTENT_TYPE, Reason.CONTENT_ENCODING, Reason.COMPRESSED})
_IDENTITY = frozenset({"", "identity"})

StoredVersions = Callable[[Sequence[ChangeEvent]], list[int | None]]
PredictOutcomes = Callable[[Sequence[ChangeEvent | LoadMessage | RejectedDelivery]], list[Prediction]]
Shop = Annotated[str, Query(description="Shop of all events of the request.")]
DryRun = Annotated[bool, Query(description="Only return the outcome that each event would have; publish nothing.")]


class Accepted(BaseModel):
    """Number of events that the broker has confirmed."""

    accepted: int


class ForeseenWarning(BaseModel):
    """Warning about an event that is taken, but perhaps not meant; it changes no outcome."""

    code: WarningCode
    pointer: str
    sentence: str
    doc: str


class Foreseen(BaseModel):
    """Predicted outcome of one event; a refused one also has its reason, pointer, sentence and doc."""

    index: int
    outcome: Outcome
    warnings: list[ForeseenWarning]
    reason: str | None = None
    pointer: str | None = None
    sentence: str | None = None
    doc: str | None = None


class ForeseenAll(BaseModel):
    """Predicted outcome of each event; nothing was published."""

    events: list[Foreseen]


_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"model": ForeseenAll, "description": "With dry_run: the outcome that each event would have"},
    413: {"description": "More than 8 MiB"},
    415: {"description": "The content type is not one of events, or the body is encoded"},
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


def events_router(publish: Publish, predict_outcomes: PredictOutcomes, stored_versions: StoredVersions) -> APIRouter:
    """Return the route that publishes events; `publish` returns once the broker has answered for every message."""
    router = APIRouter()

    @router.post(
        "/events",
        status_code=202,
        tags=["publish"],
        summary="Publish the events of a request",
        response_model=Accepted,
        responses=_RESPONSES,
        openapi_extra=_BODIES,
    )
    async def events(request: Request, shop: Shop = "main", dry_run: DryRun = False) -> Response:
        """Publish the events of a request: 202 once the broker has confirmed all of them."""
        body = await read_body(request, MAX_REQUEST, "a request with events")
        return await run_in_threadpool(_handle, request, body, shop, dry_run)

    def _handle(request: Request, body: bytes, shop: str, dry_run: bool) -> Response:
        try:
            documents = _documents(request, body)
            if not SHOP.fullmatch(shop):
                raise Refused(Reason.ROUTING_KEY, "", "shop must be a-z, 0-9 and -, with at most 63 characters")
        except Refused as refused:
            code = 415 if refused.refusal.reason in _UNSUPPORTED else 400
            return _problem(code, "the request can't be read; nothing was published", [_error(None, refused.refusal)])
        events = [outgoing_document(shop, document) for document in documents]
        return _dry_run(events, predict_outcomes, stored_versions) if dry_run else _publish(events, publish)

    return router


def _documents(request: Request, body: bytes) -> list[Any]:
    if request.headers.get("content-encoding", "").strip().lower() not in _IDENTITY:
        raise Refused(
            Reason.CONTENT_ENCODING, "", "an encoded body (gzip, deflate, br …) is not taken: send plain JSON"
        )
    content_type = media_type(request)
    if content_type == BATCH:
        batch = load_json(body, MAX_REQUEST)
        if not isinstance(batch, list):
            raise Refused(Reason.BATCH_FORMAT, "", "a batch must be a JSON array of events")
        if len(batch) > MAX_REQUEST // _MIN_EVENT_BYTES:
            raise Refused(
                Reason.BATCH_FORMAT,
                "",
                f"{len(batch)} events can't fit into one request: some of these items are not events",
            )
        return batch
    if content_type not in CONTENT_TYPES:
        raise Refused(
            Reason.CONTENT_TYPE,
            "",
            f"the content type must be {STRUCTURED}, {BATCH}, or application/json with ce- headers",
        )
    attributes = http_attributes(request.headers) if content_type != STRUCTURED else None
    document = load_json(body)
    return [document if attributes is None else {**attributes, "data": document}]


def _publish(events: Sequence[CheckedEvent], publish: Publish) -> Response:
    errors = [_error(index, event.refusal) for index, event in enumerate(events) if event.refusal is not None]
    if errors:
        return _problem(400, f"{len(errors)} of {len(events)} events are refused; nothing was published", errors)
    results = publish([event.outgoing for event in events if event.outgoing is not None])
    errors = [_error(index, _unpublished(result)) for index, result in enumerate(results) if _failed(result)]
    if errors:
        detail = (
            f"{len(errors)} of {len(results)} events are not confirmed; send the request again with the same event ids"
        )
        return _problem(503, detail, errors, {"Retry-After": _RETRY_AFTER})
    return JSONResponse({"accepted": len(results)}, 202)


def _dry_run(
    events: Sequence[CheckedEvent], predict_outcomes: PredictOutcomes, stored_versions: StoredVersions
) -> Response:
    items = [event.item for event in events if event.item is not None]
    predicted = predict_outcomes(items)
    more = far_superseded(items, [outcome for outcome, _ in predicted], stored_versions)
    predictions = [
        {
            "index": index,
            "outcome": outcome,
            "warnings": [warning.as_json() for warning in (*event.warnings, *more[index])],
            **(refusal.as_json() if refusal else {}),
        }
        for index, (event, (outcome, late)) in enumerate(zip(events, predicted, strict=True))
        for refusal in (event.refusal or late,)
    ]
    return JSONResponse({"events": predictions})


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
