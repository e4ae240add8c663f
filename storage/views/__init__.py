"""Views: read-only queries for the API, the page and the command line, outside the fence."""

from __future__ import annotations

from rules.cost import Basis, Cost
from storage.views.biography import Biography
from storage.views.feeds import FeedRow
from storage.views.ledger import Balance, LedgerFilter, LedgerRow, RangeTooLong, Terms
from storage.views.lists import AuditFilter, MissedFilter, OrderFilter, QuarantineFilter, WorkerFilter
from storage.views.loads import LoadFilter, LoadRow, WholeLoad
from storage.views.pagination import BadCursor, Count, Listing, Page
from storage.views.reader import Views
from storage.views.rows import AuditRow, MissedRow, OrderRow, QuarantineRow, WholeOrder, WorkerRow
from storage.views.unknown_fields import UnknownFieldFilter, UnknownFieldRow

__all__ = [
    "AuditFilter",
    "AuditRow",
    "BadCursor",
    "Balance",
    "Basis",
    "Biography",
    "Cost",
    "Count",
    "FeedRow",
    "LedgerFilter",
    "LedgerRow",
    "Listing",
    "LoadFilter",
    "LoadRow",
    "MissedFilter",
    "MissedRow",
    "OrderFilter",
    "OrderRow",
    "Page",
    "QuarantineFilter",
    "QuarantineRow",
    "RangeTooLong",
    "Terms",
    "UnknownFieldFilter",
    "UnknownFieldRow",
    "Views",
    "WholeLoad",
    "WholeOrder",
    "WorkerFilter",
    "WorkerRow",
]
