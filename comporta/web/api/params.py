"""Query parameters and bodies shared by the list routes; an error names the parameter."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlencode

from fastapi import HTTPException, Query, Request, Response
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query as QueryParameter
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from comporta.web.export import CSV, Format, dump, export
from comporta.web.own_shops import own, own_quarantine
from rules.orders import OrderState
from schemas.domains import LISTED_DOMAINS
from schemas.events import SHOP
from schemas.fields import Time
from storage.views import AuditFilter, Listing, MissedFilter, OrderFilter, Page, QuarantineFilter, Views
from storage.views.pagination import Row

__all__ = [
    "LISTED",
    "MOST_NAMED",
    "After",
    "ChangeDomain",
    "Discard",
    "Domain",
    "Expected",
    "FormatQuery",
    "Limit",
    "Many",
    "ReasonQuery",
    "ReasonText",
    "RequestBody",
    "Shop",
    "ShopName",
    "Since",
    "Until",
    "Why",
    "Words",
    "audit_filter",
    "export_format",
    "is_zero",
    "listed",
    "missed_filter",
    "only_known",
    "order_filter",
    "quarantine_filter",
]
Shop = Annotated[
    str | None,
    Query(pattern=r"^([*?]|[a-z0-9][a-z0-9-]{0,62})$", description="Only this shop; ? is no shop, * is every shop."),
]
Words = Annotated[str | None, Query(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
Name = Annotated[str | None, Query(pattern=r"^[a-z_-]{1,64}$")]
Since = Annotated[Time | None, Query(description="From this moment on (RFC 3339 with a zone).")]
Until = Annotated[Time | None, Query(description="Before this moment (RFC 3339 with a zone).")]
# At most a hundred years: older than any order, and within the range of datetime arithmetic.
Seconds = Annotated[float | None, Query(ge=0, le=3_155_760_000, allow_inf_nan=False)]
MessageKey = Annotated[
    str | None,
    Query(max_length=500, pattern=r"^[^\x00]*$", description="Id of an order, or key of an event as JSON text."),
]
Limit = Annotated[int, Query(ge=1, le=10_000, description="Maximum number of rows per page.")]
After = Annotated[
    str | None,
    Query(max_length=2_000, description="Cursor from the Link header of a page; without it, the first page."),
]
FormatQuery = Annotated[
    Format | None, Query(description="Return all rows that match the filter as a file; limit and after are ignored.")
]

# OpenAPI description of a list's responses besides its JSON.
LISTED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A page of rows; with ?format= or Accept: text/csv all rows, as a file.",
        "headers": {"Link": {"description": 'Pages: rel="next", rel="prev"', "schema": {"type": "string"}}},
        "content": {CSV: {"schema": {"type": "string"}}},
    }
}


MOST_NAMED = 1_000
ChangeDomain = Literal["products", "images", "packagings", "price_tables", "prices", "stock", "customers"]
ShopName = Annotated[str, Field(pattern=f"^{SHOP.pattern}$")]
ReasonText = Annotated[
    str | None, Field(max_length=500, pattern=r"^[^\x00]*$", description="Reason, recorded in the audit.")
]
ReasonQuery = Annotated[str | None, Query(description="Reason, recorded in the audit.", max_length=500)]
Expected = Annotated[
    int | None,
    Field(
        ge=0, description="Number that was shown; the request is refused if it has changed. Required unless dry_run."
    ),
]


Discard = Annotated[bool, Field(description="Act also on what would be discarded on arrival, since it is off.")]


def is_zero(value: int) -> bool:
    """Return whether a count is left out of a response."""
    return value == 0


class RequestBody(BaseModel):
    """Request body that refuses unknown fields, since a misspelt filter would select everything."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Why(RequestBody):
    """Request body with the reason of an action."""

    reason: ReasonText = None


class Many(Why):
    """Bulk action: a dry run returns the number, and the action runs only if that number is still right."""

    expected: Expected = None
    dry_run: bool = False

    @model_validator(mode="after")
    def _has_expected(self) -> Self:
        if self.expected is None and not self.dry_run:
            raise ValueError("expected is missing: send the number that a dry run returned")
        return self


def _domain(value: str) -> str:
    if value not in LISTED_DOMAINS:
        raise ValueError(f"no such domain; the domains are {', '.join(LISTED_DOMAINS)}")
    return value


Domain = Annotated[
    str | None,
    AfterValidator(lambda value: None if value is None else _domain(value)),
    Query(description="Only this domain.", json_schema_extra={"enum": list(LISTED_DOMAINS)}),
]


def missed_filter(request: Request, shop: Shop = None, domain: Domain = None, text: Words = None) -> MissedFilter:
    """Return the filter of missed keys; `text` is searched for in the key."""
    return own(request, MissedFilter(shop, domain, text))


def quarantine_filter(
    request: Request,
    shop: Shop = None,
    domain: Domain = None,
    reason: Name = None,
    since: Since = None,
    until: Until = None,
    key: MessageKey = None,
) -> QuarantineFilter:
    """Return the filter of quarantined messages."""
    return own_quarantine(request, QuarantineFilter(shop, domain, reason, since, until, key=key))


def order_filter(
    shop: Shop = None,
    state: OrderState | None = None,
    older_than: Seconds = None,
    text: Words = None,
    overdue: bool = False,
    attention: bool = False,
) -> OrderFilter:
    """Return the filter of orders; `older_than` in seconds since receipt."""
    age = None if older_than is None else timedelta(seconds=older_than)
    return OrderFilter(shop, state, age, text, overdue, attention)


def audit_filter(
    by: Words = None, action: Name = None, shop: Shop = None, since: Since = None, until: Until = None
) -> AuditFilter:
    """Return the filter of audit entries."""
    return AuditFilter(by, action, shop, since, until)


def only_known(request: Request) -> None:
    """Refuse query parameters that the route does not declare: a misspelt filter would select everything."""
    fields = get_flat_params(request.scope["route"].dependant)
    known = {field.alias for field in fields if isinstance(field.field_info, QueryParameter)}
    for name in request.query_params:
        if name not in known:
            raise HTTPException(400, f"{name}: no such parameter; this route takes {', '.join(sorted(known))}")


def export_format(request: Request, format: Format | None) -> Format | None:
    """Return the file format of an export, or None for a page of rows."""
    accepted = request.headers.get("accept", "").partition(",")[0].partition(";")[0].strip().lower()
    return "csv" if format is None and accepted == CSV else format


def listed(
    request: Request,
    views: Views,
    listing: Listing[Row],
    shape: type[Row],
    name: str,
    paging: tuple[int, str | None, Format | None],
) -> Response:
    """Return a page of a list, or all of it as a file; `shape` names the columns."""
    limit, after, format = paging
    file_format = export_format(request, format)
    if file_format is not None:
        rows: Iterator[Row] = views.every(listing)
        return export(rows, list(shape.__annotations__), file_format, name)
    page = views.page(listing, limit, after, counted=False)
    links = _links(request, page)
    return Response(dump(page.rows), media_type="application/json", headers={"Link": links} if links else None)


def _links(request: Request, page: Page[Any]) -> str:
    # The links are query-only references: they work under any path that a proxy maps to us.
    params = [(name, value) for name, value in request.query_params.multi_items() if name != "after"]
    cursors = [("next", page.next), ("prev", page.previous)]
    return ", ".join(
        f'<?{urlencode([*params, ("after", cursor)])}>; rel="{rel}"' for rel, cursor in cursors if cursor is not None
    )
