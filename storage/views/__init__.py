"""Views: read-only queries for the API, the page and the command line, outside the fence."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_MODULES = {
    "Basis": "rules.cost",
    "Cost": "rules.cost",
    "Biography": "storage.views.biography",
    "FeedRow": "storage.views.feeds",
    "Balance": "storage.views.ledger",
    "LedgerFilter": "storage.views.ledger",
    "LedgerRow": "storage.views.ledger",
    "RangeTooLong": "storage.views.ledger",
    "Terms": "storage.views.ledger",
    "AuditFilter": "storage.views.lists",
    "MissedFilter": "storage.views.lists",
    "OrderFilter": "storage.views.lists",
    "QuarantineFilter": "storage.views.lists",
    "WorkerFilter": "storage.views.lists",
    "LoadFilter": "storage.views.loads",
    "LoadRow": "storage.views.loads",
    "WholeLoad": "storage.views.loads",
    "BadCursor": "storage.views.pagination",
    "Count": "storage.views.pagination",
    "Listing": "storage.views.pagination",
    "Page": "storage.views.pagination",
    "Views": "storage.views.reader",
    "AuditRow": "storage.views.rows",
    "MissedRow": "storage.views.rows",
    "OrderRow": "storage.views.rows",
    "QuarantineRow": "storage.views.rows",
    "WholeOrder": "storage.views.rows",
    "WorkerRow": "storage.views.rows",
    "UnknownFieldFilter": "storage.views.unknown_fields",
    "UnknownFieldRow": "storage.views.unknown_fields",
}


def __getattr__(name: str) -> Any:
    """Load a name at its first use (PEP 562): a command uses one or two of them."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
