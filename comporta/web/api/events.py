"""CloudEvents over HTTP: one event, a batch or binary mode; all or none are published (HTTP Protocol Binding 1.0.2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from comporta.web.api.large_bodies import LargeBodies
from comporta.web.problems import problem
from comporta.web.request import media_type
from producers.events import CheckedEvent, far_superseded, outgoing_document
from producers.messages import Fate, Publish, PublishResult
from rules.outcomes import Outcome
from schemas.binary import http_attributes
from schemas.events import CONTENT_TYPES, SHOP, STRUCTURED, ChangeEvent, load_json
from schemas.reasons import Reason, Refusal, Refused
from schemas.warnings import WarningCode
from storage.dry_run import DryItem, Prediction

__all__ = [
    "EVENT_BODIES",
    "MAX_REQUEST",
    "ForeseenAll",
    "PredictOutcomes",
    "StoredVersions",
    "error_of",
    "events_router",
    "outcomes_response",
    "read_documents",
    "refused_response",
]

BATCH = "application/cloudevents-batch+json"
MAX_REQUEST = 8 * 1024 * 1024
# Lower bound of an event's size: a batch with more items contains junk, and an error per item would fill the memory.
_MIN_EVENT_BYTES = 100
# Refusals and predictions listed in one answer; all of them are counted.
MOST_LISTED = 1_000
_RETRY_AFTER = "5"
_UNSUPPORTED = frozenset({Reason.CONTENT_TYPE, Reason.CONTENT_ENCODING, Reason.COMPRESSED})
_IDENTITY = frozenset({"", "identity"})

StoredVersions = Callable[[Sequence[ChangeEvent]], list[int | None]]
PredictOutcomes = Callable[[Sequence[DryItem]], list[Prediction]]
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
    """Predicted outcome of each event; nothing was published.

    Of more than 1,000 events the first 1,000 are listed, and `outcomes` counts all.
    """

    events: list[Foreseen]
    outcomes: dict[Outcome, int] | None = None


_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"model": ForeseenAll, "description": "With dry_run: the outcome that each event would have"},
    413: {"description": "More than 8 MiB"},
    503: {"description": "The broker did not confirm, or too many requests of more than 256 KiB are at work"},
    415: {"description": "The content type is not one of events, or the body is encoded"},
}
EVENT_BODIES = {
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
    router, large = APIRouter(), LargeBodies()

    @router.post(
        "/events",
        status_code=202,
        tags=["publish"],
        summary="Publish the events of a request",
        response_model=Accepted,
        responses=_RESPONSES,
        openapi_extra=EVENT_BODIES,
    )
    async def events(request: Request, shop: Shop = "main", dry_run: DryRun = False) -> Response:
        """Publish the events of a request: 202 once the broker has confirmed all of them."""
        async with large.read(request, MAX_REQUEST, "a request with events") as body:
            return await run_in_threadpool(_handle, request, body, shop, dry_run)

    def _handle(request: Request, body: bytes, shop: str, dry_run: bool) -> Response:
        try:
            documents = read_documents(request, body, shop)
        except Refused as refused:
            return refused_response("the request can't be read; nothing was published", refused.refusal)
        events = [outgoing_document(shop, document) for document in documents]
        return outcomes_response(events, predict_outcomes, stored_versions) if dry_run else _publish(events, publish)

    return router


def read_documents(request: Request, body: bytes, shop: str) -> list[Any]:
    """Return the events of a request as JSON values: one, a batch, or one in binary mode. Raises `Refused`."""
    if not SHOP.fullmatch(shop):
        raise Refused(Reason.ROUTING_KEY, "", "shop must be a-z, 0-9 and -, with at most 63 characters")
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
    refused = [(index, event.refusal) for index, event in enumerate(events) if event.refusal is not None]
    if refused:
        detail = f"{len(refused)} of {len(events)} events are refused; nothing was published"
        return _problem(400, detail + _listed(refused), _errors(refused))
    results = publish([event.outgoing for event in events if event.outgoing is not None])
    failed = [(index, _unpublished(result)) for index, result in enumerate(results) if _failed(result)]
    if failed:
        detail = (
            f"{len(failed)} of {len(results)} events are not confirmed; send the request again with the same event ids"
        )
        return _problem(503, detail + _listed(failed), _errors(failed), {"Retry-After": _RETRY_AFTER})
    return JSONResponse({"accepted": len(results)}, 202)


def refused_response(detail: str, refusal: Refusal) -> Response:
    """Return the problem of a request that can't be read."""
    return _problem(415 if refusal.reason in _UNSUPPORTED else 400, detail, [error_of(None, refusal)])


def outcomes_response(
    events: Sequence[CheckedEvent], predict_outcomes: PredictOutcomes, stored_versions: StoredVersions
) -> Response:
    """Return the outcome that each event would have, without publishing or storing anything."""
    items = [event.item for event in events if event.item is not None]
    predicted = predict_outcomes(items)
    outcomes = [outcome for outcome, _ in predicted]
    more = far_superseded(items, outcomes, stored_versions)
    predictions = [
        {
            "index": index,
            "outcome": outcome,
            "warnings": [warning.as_json() for warning in (*event.warnings, *more[index])],
            **(refusal.as_json() if refusal else {}),
        }
        for index, (event, (outcome, late)) in enumerate(islice(zip(events, predicted, strict=True), MOST_LISTED))
        for refusal in (event.refusal or late,)
    ]
    counts = {"outcomes": Counter(outcomes)} if len(outcomes) > MOST_LISTED else {}
    return JSONResponse({"events": predictions, **counts})


def _errors(refusals: Sequence[tuple[int, Refusal]]) -> list[dict[str, Any]]:
    return [error_of(index, refusal) for index, refusal in refusals[:MOST_LISTED]]


def _listed(refusals: Sequence[tuple[int, Refusal]]) -> str:
    return f"; the first {MOST_LISTED} are listed" if len(refusals) > MOST_LISTED else ""


def _failed(result: PublishResult) -> bool:
    return result.fate is not Fate.CONFIRMED


def _unpublished(result: PublishResult) -> Refusal:
    reason = Reason.UNROUTABLE if result.fate is Fate.RETURNED else Reason.UNCONFIRMED
    return Refusal(reason, "", result.detail)


def error_of(index: int | None, refusal: Refusal) -> dict[str, Any]:
    """Return the fault of one event of a request, or of the whole request."""
    return refusal.as_json() if index is None else {"index": index, **refusal.as_json()}


def _problem(code: int, detail: str, errors: list[dict[str, Any]], headers: dict[str, str] | None = None) -> Response:
    return problem(code, detail, title=_TITLES[code], errors=errors, headers=headers)


_TITLES = {400: "Events refused", 415: "Unsupported media type", 503: "Broker away"}
