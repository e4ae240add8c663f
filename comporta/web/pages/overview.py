"""Overview, ledger, audit, workers and search."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from comporta.web.off_history import OffHistory
from comporta.web.pages.charts import rates, sparks
from comporta.web.pages.i18n import ACTIONS, OUTCOMES
from comporta.web.pages.item_history import item_history
from comporta.web.pages.ledger_charts import LedgerCharts
from comporta.web.pages.lists import blank_to_none, list_page, parse_moment
from comporta.web.pages.needs import needs
from comporta.web.pages.renderer import Pages
from storage.views import AuditFilter, LedgerFilter, OrderFilter, Views, WorkerFilter
from storage.views.quarantine_groups import reason_counts

__all__ = ["overview_router"]

_HOUR = timedelta(hours=1)


class _AuditQuery(BaseModel):
    """Filter of the audit as query parameters."""

    by: str = ""
    action: str = ""
    shop: str = ""
    since: str = ""
    since_utc: str = ""
    until: str = ""
    until_utc: str = ""


def overview_router(pages: Pages, views: Views, off_history: OffHistory) -> APIRouter:
    """Return the read-only routes."""
    router = APIRouter(include_in_schema=False)
    charts = LedgerCharts(views, off_history)

    @router.get("/")
    def overview(request: Request, range: str = "hour", domain: str = "", shop: str = "", at: str = "") -> Response:
        document, now = pages.status(), datetime.now(UTC)
        hour = views.ledger(LedgerFilter("minute", since=now.replace(second=0, microsecond=0) - _HOUR))
        balance, troubled = views.balance(), [feed for feed in views.feeds() if feed["trouble"]]
        reasons = reason_counts(views.quarantine_groups())
        return pages.render(
            request,
            "overview.html",
            document=document,
            balance=balance,
            needs=needs(document, reasons, len(troubled), balance.total.difference, now),
            rates=rates(hour, now),
            sparks=sparks(hour, now),
            troubled=troubled,
            oldest=_first(views, OrderFilter(state="waiting")),
            chart=charts.chart(document, now, range, domain, shop, at, hour),
        )

    @router.get("/ledger")
    def ledger(
        request: Request, range: str = "hour", domain: str = "", outcome: str = "", shop: str = "", at: str = ""
    ) -> Response:
        document, now = pages.status(), datetime.now(UTC)
        return pages.render(
            request,
            "ledger.html",
            document=document,
            balance=views.balance(),
            chart=charts.chart(document, now, range, domain, shop, at),
            outcome_filter=outcome if outcome in OUTCOMES else "",
            export={
                "step": "minute" if range not in ("day", "week") else "hour",
                "shop": shop,
                "domain": domain,
                "outcome": outcome,
            },
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

    @router.get("/search/suggest")
    def suggest(request: Request, text: str = "") -> Response:
        return pages.render(request, "suggestions.html", suggestions=views.suggestions(text[:200]))

    @router.get("/search")
    def search(request: Request, text: str = "", shop: str = "") -> Response:
        code = blank_to_none(text[:200])
        biography = None if code is None else views.biography(code, blank_to_none(shop))
        history = None if biography is None else item_history(views.history, biography)
        return pages.render(
            request,
            "search.html",
            text=code or "",
            shop=shop,
            biography=biography,
            history=history,
            suggestions=views.suggestions(code) if code else [],
        )

    return router


def _first(views: Views, listing: OrderFilter) -> Any:
    rows = views.page(listing, 1, counted=False).rows
    return rows[0] if rows else None
