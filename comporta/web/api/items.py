"""Items: the last versions of a key, with the values before and what became of each, and the outcomes of an event."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query
from pydantic import BaseModel

from comporta.web.api.params import ChangeDomain, only_known
from schemas.events import SHOP
from storage.entities import key_text
from storage.key_texts import KeyUnreadable, parse_key
from storage.views.history import HistoryView

__all__ = ["items_router"]

Shop = Annotated[str, Query(pattern=f"^{SHOP.pattern}$")]
Key = Annotated[
    str,
    Query(
        min_length=1,
        max_length=2_000,
        pattern=r"^[^\x00]*$",
        description="Key fields as a JSON object, or their values in the order of the key, 789/1/A.",
    ),
]
EventId = Annotated[str, Query(min_length=1, max_length=500, pattern=r"^[^\x00]*$")]


class PauseNamed(BaseModel):
    """Pause that has discarded a version, by the epoch of its beginning."""

    epoch: int
    by: str
    reason: str


class VersionShown(BaseModel):
    """Version of a key; `changed` has the fields that differ from the version applied before: value before, value."""

    at: datetime
    version: int
    event_id: str
    outcome: str
    deleted: bool
    changed: dict[str, tuple[Any, Any]]
    pause: PauseNamed | None


class EventOutcomeShown(BaseModel):
    """Outcome of an event, once for each time that it came."""

    at: datetime
    shop: str
    domain: str
    key: dict[str, Any]
    version: int
    outcome: str
    pause: PauseNamed | None


def items_router(history: HistoryView) -> APIRouter:
    """Return the routes of the history, which is kept by `COMPORTA_HISTORY`."""
    router = APIRouter(prefix="/api/items", tags=["look"], dependencies=[Depends(only_known)])

    @router.get("/history")
    def versions(shop: Shop, domain: ChangeDomain, key: Key) -> list[VersionShown]:
        """Return the versions of a key that are kept, newest first; none of customers."""
        try:
            text = key_text(domain, parse_key(domain, key))
        except KeyUnreadable as error:
            raise HTTPException(400, f"key: {error}") from None
        found = history.of_keys([(shop, domain, text)])
        return [VersionShown.model_validate(each.document()) for each in found.get((shop, domain, text), [])]

    @router.get("/events")
    def events(event_id: EventId) -> list[EventOutcomeShown]:
        """Return what became of an event, newest first, as far as its versions are kept."""
        return [EventOutcomeShown.model_validate(each.document()) for each in history.of_event(event_id)]

    return router
