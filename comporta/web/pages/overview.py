"""Overview, ledger, audit, workers and search."""

from __future__ import annotations

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


class _AuditQuery(BaseModel):
    """Filter of the audit as query parameters."""

    by: str = ""
    action: str = ""
    shop: str = ""
    since: str = ""
    since_utc: str = ""
    until: str = ""
    until_utc: str = ""


def overview_router(pages: Pages, views: Views) -> APIRouter:
    """Return the read-only routes."""
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
            troubled=[feed for feed in views.feeds() if feed["trouble"]],
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
            outcome_filter=outcome if outcome in OUTCOMES else "",
            export={"step": "hour" if range == "day" else "minute", "domain": domain, "outcome": outcome},
        )

    @router.get("/audit")
    def audit(request: Request, query: Annotated[_AuditQuery, Query()]) -> Response:
        since, until = parse_moment(query.since, query.since_utc), parse_moment(query.until, query.until_utc)
        listing = AuditFilter(
            blank_to_none(query.by), blank_to_none(query.action), blank_to_none(query.shop), since, until
        )
        filters = query.model_dump()
        return list_page(pages, views, request, "audit.html", listing, filters, "/api/audit", actions=list(ACTIONS))

    @router.get("/workers")
    def workers(request: Request) -> Response:
        return list_page(pages, views, request, "workers.html", WorkerFilter(), {}, "/api/workers")

    @router.get("/search")
    def search(request: Request, text: str = "", shop: str = "") -> Response:
        code = blank_to_none(text[:200])
        biography = None if code is None else views.biography(code, blank_to_none(shop))
        return pages.render(request, "search.html", text=code or "", shop=shop, biography=biography)

    return router


def _first(views: Views, listing: OrderFilter) -> Any:
    rows = views.page(listing, 1, counted=False).rows
    return rows[0] if rows else None


@dataclass(frozen=True, slots=True)
class _Charts:
    """Charts of the ledger and their tables: an hour by minute, or a day by hour."""

    views: Views
    history: OffHistory

    def chart(
        self, document: StatusDocument, now: datetime, range: str, domain: str, rows: list[LedgerRow] | None = None
    ) -> dict[str, Any]:
        day = range == "day"
        step, steps = (_HOUR, 24) if day else (_MINUTE, 60)
        since = (now - step * steps).replace(second=0, microsecond=0)
        if day or rows is None:
            since = since.replace(minute=0) if day else since
            rows = self.views.ledger(LedgerFilter("hour" if day else "minute", since=since))
        return {
            "range": "day" if day else "hour",
            "domain": domain,
            "step": int(step.total_seconds()),
            "points": points(rows, now, step, steps, domain),
            "off": spans(self.history.periods(document.epoch, now), since, domain),
        }
