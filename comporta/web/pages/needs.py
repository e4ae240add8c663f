"""Needs of an operator: everything that is not as it should be, with a link to where it is dealt with."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from schemas.control import StatusDocument

__all__ = ["Need", "needs"]

_SILENT = timedelta(seconds=60)
# The banner marks a pause as long after the same time.
_LONG = timedelta(minutes=30)
# So many reasons of the quarantine are named; the others are summed up.
_REASONS = 4


class Need(NamedTuple):
    """One kind of thing that needs an operator, its number (never 0), and the page to act on it; worst kinds first."""

    kind: str
    number: int
    path: str
    query: Mapping[str, str] = {}
    name: str = ""


def needs(
    document: StatusDocument, reasons: Mapping[str, int], troubled_feeds: int, difference: int, now: datetime
) -> list[Need]:
    """Return what needs an operator; `reasons` are the messages in the quarantine by reason."""
    silent = sum(now - worker.last_seen > _SILENT for worker in document.workers)
    began = [switch.since for switch in document.switches if switch.off and switch.since is not None]
    stuck, rejected = (sum(of.get(state, 0) for of in document.orders.values()) for state in ("stuck", "rejected"))
    found = [
        Need("stopped", int(document.health.state == "stopped"), "/workers"),
        Need("no_worker", int(not document.workers), "/workers"),
        Need("silent_worker", silent, "/workers"),
        Need("difference", abs(difference), "/ledger"),
        Need("erp_fault", len(document.erp_faults), "/orders", {"state": "waiting"}),
        Need("stuck", stuck, "/orders", {"state": "stuck"}),
        Need("rejected", rejected, "/orders", {"state": "rejected"}),
        Need("overdue", sum(document.overdue_orders.values()), "/orders", {"overdue": "true"}),
        *_quarantined(reasons),
        Need("missed", sum(sum(counts.values()) for counts in document.missed.values()), "/missed"),
        Need("long_off", sum(now - since >= _LONG for since in began), "/switch/on"),
        Need("feeds", troubled_feeds, "/feeds"),
    ]
    return [need for need in found if need.number]


def _quarantined(reasons: Mapping[str, int]) -> list[Need]:
    named = list(reasons.items())[:_REASONS]
    others = sum(reasons.values()) - sum(count for _, count in named)
    of_reason = [Need("quarantined", count, "/quarantine", {"reason": reason}, reason) for reason, count in named]
    return [*of_reason, Need("quarantined_others", others, "/quarantine")]
