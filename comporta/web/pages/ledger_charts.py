"""Charts of the ledger and their tables: an hour by minute, a day by hour, or a week by six hours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from comporta.web.off_history import OffHistory
from comporta.web.pages.charts import floor, points, spans
from comporta.web.pages.lists import parse_moment
from schemas.control import StatusDocument
from storage.views import LedgerFilter, LedgerRow, Views
from storage.views.ledger import Step

__all__ = ["RANGES", "LedgerCharts", "Range"]


class Range(NamedTuple):
    """Range of a chart: its bars, the rows that they sum, and the range that a click on a bar leads to."""

    step: timedelta
    steps: int
    rows: Step
    finer: str | None


RANGES = {
    "hour": Range(timedelta(minutes=1), 60, "minute", None),
    "day": Range(timedelta(hours=1), 24, "hour", "hour"),
    "week": Range(timedelta(hours=6), 28, "hour", "day"),
}


@dataclass(frozen=True, slots=True)
class LedgerCharts:
    """Charts for the pages, of one shop and domain or of all."""

    views: Views
    history: OffHistory

    def chart(
        self,
        document: StatusDocument,
        now: datetime,
        range: str,
        domain: str,
        shop: str = "",
        at: str = "",
        rows: list[LedgerRow] | None = None,
    ) -> dict[str, Any]:
        """Return the chart of a range that begins at `at`, or ends now; `rows` are the last hour's if known."""
        name = range if range in RANGES else "hour"
        step, steps, row_step, finer = RANGES[name]
        begin = parse_moment(at, "")
        since = floor(begin, step) if begin else floor(now, step) - step * (steps - 1)
        until = since + step * steps
        if rows is None or begin or shop or row_step == "hour":
            rows = self.views.ledger(LedgerFilter(row_step, shop=shop or None, since=since, until=until))
        return {
            "range": name,
            "domain": domain,
            "shop": shop,
            "at": at if begin else "",
            "finer": finer,
            "step": int(step.total_seconds()),
            "points": points(rows, until - timedelta(microseconds=1), step, steps, domain),
            "off": spans(self.history.periods(document.epoch, now), since, domain, shop, until),
        }
