"""The overview, the ledger, the audit and the workers: what is going on, and what has been."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from comporta.web.pages.charts import OffHistory, by_domain, points, rates, spans
from comporta.web.pages.i18n import ACTIONS, OUTCOMES
from comporta.web.pages.lists import blank_to_none, list_page, parse_moment
from comporta.web.pages.rendering import Pages
from schemas.control import StatusDocument
from storage.views import AuditFilter, LedgerFilter, LedgerRow, OrderFilter, Views, WorkerFilter

__all__ = ["overview_router"]

_HOUR, _MINUTE = timedelta(hours=1), timedelta(minutes=1)


class _AuditWanted(BaseModel):
    """Which entries of the audit, as the address says it."""

    by: str = ""
    action: str = ""
    shop: str = ""
    since: str = ""
    since_utc: str = ""
    until: str = ""
    until_utc: str = ""


def overview_router(pages: Pages, views: Views, lags: Callable[[], Mapping[str, float]]) -> APIRouter:
    """The doors to what is looked at."""
    router = APIRouter(include_in_schema=False)
    charts = _Charts(views, OffHistory(views))

    @router.get("/")
    def overview(request: Request, range: str = "hour", domain: str = "") -> Response:
        document, now = pages.status(), datetime.now(UTC)
        hour = views.ledger(LedgerFilter("minute", since=now.replace(second=0, microsecond=0) - _HOUR))
        return pages.render(
            request,
            "overview.html",
            document=document,
            balance=views.balance(),
            hour=by_domain(hour),
            rates=rates(hour, now),
            lags=lags(),
            oldest=_first(views, OrderFilter(state="waiting")),
            chart=charts.chart(document, now, range, domain, hour),
        )

    @router.get("/ledger")
    def ledger(request: Request, range: str = "hour", domain: str = "", outcome: str = "") -> Response:
        document, now = pages.status(), datetime.now(UTC)
        return pages.render(
            request,
            "ledger.html",
            document=document,
            balance=views.balance(),
            chart=charts.chart(document, now, range, domain),
            wanted_outcome=outcome if outcome in OUTCOMES else "",
            export={"step": "hour" if range == "day" else "minute", "domain": domain, "outcome": outcome},
        )

    @router.get("/audit")
    def audit(request: Request, wanted: Annotated[_AuditWanted, Query()]) -> Response:
        since, until = parse_moment(wanted.since, wanted.since_utc), parse_moment(wanted.until, wanted.until_utc)
        listing = AuditFilter(
            blank_to_none(wanted.by), blank_to_none(wanted.action), blank_to_none(wanted.shop), since, until
        )
        said = wanted.model_dump()
        return list_page(pages, views, request, "audit.html", listing, said, "/api/audit", actions=list(ACTIONS))

    @router.get("/workers")
    def workers(request: Request) -> Response:
        return list_page(pages, views, request, "workers.html", WorkerFilter(), {}, "/api/workers")

    @router.get("/search")
    def search(request: Request, text: str = "", shop: str = "") -> Response:
        asked = blank_to_none(text[:200])
        found = None if asked is None else views.biography(asked, blank_to_none(shop))
        return pages.render(request, "search.html", text=asked or "", shop=shop, found=found)

    return router


def _first(views: Views, listing: OrderFilter) -> Any:
    rows = views.page(listing, 1, counted=False).rows
    return rows[0] if rows else None


@dataclass(frozen=True, slots=True)
class _Charts:
    """What a chart and its table show: an hour by the minute, or a day by the hour."""

    views: Views
    history: OffHistory

    def chart(
        self, document: StatusDocument, now: datetime, range: str, domain: str, hour: list[LedgerRow] | None = None
    ) -> dict[str, Any]:
        day = range == "day"
        step, steps = (_HOUR, 24) if day else (_MINUTE, 60)
        since = (now - step * steps).replace(second=0, microsecond=0)
        if day or hour is None:
            since = since.replace(minute=0) if day else since
            hour = self.views.ledger(LedgerFilter("hour" if day else "minute", since=since))
        return {
            "range": "day" if day else "hour",
            "domain": domain,
            "step": int(step.total_seconds()),
            "points": points(hour, now, step, steps, domain),
            "off": spans(self.history.periods(document.epoch, now), since, domain),
        }
