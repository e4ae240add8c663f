"""What a list may be asked for: query parameters, each checked and named when it is wrong."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import Query
from pydantic import AfterValidator

from rules.orders import OrderState
from schemas.domains import DOMAIN_NAMES
from schemas.fields import Time
from storage.views import AuditFilter, MissedFilter, OrderFilter, QuarantineFilter

__all__ = [
    "DOMAINS_SEEN",
    "Domain",
    "Shop",
    "Since",
    "Until",
    "Words",
    "audit_filter",
    "missed_filter",
    "order_filter",
    "quarantine_filter",
]

# Beside the domains: the receipts of orders, and messages that name none.
DOMAINS_SEEN = (*DOMAIN_NAMES, "receipts", "?")


def _domain(value: str) -> str:
    if value not in DOMAINS_SEEN:
        raise ValueError(f"no such domain; there are {', '.join(DOMAINS_SEEN)}")
    return value


Shop = Annotated[
    str | None, Query(pattern=r"^([*?]|[a-z0-9][a-z0-9-]{0,62})$", description="Only this shop; ? is none, * is every.")
]
Domain = Annotated[
    str | None,
    AfterValidator(lambda value: None if value is None else _domain(value)),
    Query(description="Only this domain.", json_schema_extra={"enum": list(DOMAINS_SEEN)}),
]
Words = Annotated[str | None, Query(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
Name = Annotated[str | None, Query(pattern=r"^[a-z_]{1,64}$")]
Since = Annotated[Time | None, Query(description="From this moment on (RFC 3339 with a zone).")]
Until = Annotated[Time | None, Query(description="Before this moment (RFC 3339 with a zone).")]
# A hundred years: older than any order, and what the arithmetic of dates can hold.
Seconds = Annotated[float | None, Query(ge=0, le=3_155_760_000, allow_inf_nan=False)]


def missed_filter(shop: Shop = None, domain: Domain = None, text: Words = None) -> MissedFilter:
    """Which missed keys; `text` is looked for in the key."""
    return MissedFilter(shop, domain, text)


def quarantine_filter(
    shop: Shop = None, domain: Domain = None, reason: Name = None, since: Since = None, until: Until = None
) -> QuarantineFilter:
    """Which refused messages."""
    return QuarantineFilter(shop, domain, reason, since, until)


def order_filter(
    shop: Shop = None,
    state: OrderState | None = None,
    older_than: Seconds = None,
    text: Words = None,
    overdue: bool = False,
) -> OrderFilter:
    """Which orders; `older_than` in seconds since they were received."""
    age = None if older_than is None else timedelta(seconds=older_than)
    return OrderFilter(shop, state, age, text, overdue)


def audit_filter(
    by: Words = None, action: Name = None, shop: Shop = None, since: Since = None, until: Until = None
) -> AuditFilter:
    """Which entries of the audit."""
    return AuditFilter(by, action, shop, since, until)
