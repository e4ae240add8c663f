"""What a list may be asked for: query parameters, each checked and named when it is wrong."""

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
    "listed",
    "missed_filter",
    "only_known",
    "order_filter",
    "quarantine_filter",
    "wanted_format",
]
Shop = Annotated[
    str | None, Query(pattern=r"^([*?]|[a-z0-9][a-z0-9-]{0,62})$", description="Only this shop; ? is none, * is every.")
]
Words = Annotated[str | None, Query(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
Name = Annotated[str | None, Query(pattern=r"^[a-z_]{1,64}$")]
Since = Annotated[Time | None, Query(description="From this moment on (RFC 3339 with a zone).")]
Until = Annotated[Time | None, Query(description="Before this moment (RFC 3339 with a zone).")]
# A hundred years: older than any order, and what the arithmetic of dates can hold.
Seconds = Annotated[float | None, Query(ge=0, le=3_155_760_000, allow_inf_nan=False)]
Limit = Annotated[int, Query(ge=1, le=10_000, description="At most so many rows on a page.")]
After = Annotated[
    str | None, Query(max_length=2_000, description="A cursor out of a page's Link header; none is the first page.")
]
FormatQuery = Annotated[
    Format | None, Query(description="All rows that pass the filter as a file, with limit and after left aside.")
]

# What OpenAPI says of a list beside its JSON.
LISTED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The rows; with ?format= or Accept: text/csv all of them, as a file.",
        "headers": {"Link": {"description": 'Pages: rel="next", rel="prev"', "schema": {"type": "string"}}},
        "content": {CSV: {"schema": {"type": "string"}}},
    }
}


MOST_NAMED = 1_000
ChangeDomain = Literal["products", "images", "packagings", "price_tables", "prices", "stock", "customers"]
ShopName = Annotated[str, Field(pattern=f"^{SHOP.pattern}$")]
ReasonText = Annotated[str | None, Field(max_length=500, pattern=r"^[^\x00]*$", description="Why; kept in the audit.")]
ReasonQuery = Annotated[str | None, Query(description="Why; kept in the audit.", max_length=500)]
Expected = Annotated[
    int | None,
    Field(ge=0, description="The number that was shown; another one now is refused. Needed unless it is a dry run."),
]


class RequestBody(BaseModel):
    """A request body; an unknown field is refused, since a misspelt filter would mean everything."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Why(RequestBody):
    """Why something is done."""

    reason: ReasonText = None


class Many(Why):
    """Many at once: a dry run says how many, and only that many are then acted on."""

    expected: Expected = None
    dry_run: bool = False

    @model_validator(mode="after")
    def _says_how_many(self) -> Self:
        if self.expected is None and not self.dry_run:
            raise ValueError("expected is missing: a dry run says how many it is about")
        return self


def _domain(value: str) -> str:
    if value not in LISTED_DOMAINS:
        raise ValueError(f"no such domain; there are {', '.join(LISTED_DOMAINS)}")
    return value


Domain = Annotated[
    str | None,
    AfterValidator(lambda value: None if value is None else _domain(value)),
    Query(description="Only this domain.", json_schema_extra={"enum": list(LISTED_DOMAINS)}),
]


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


def only_known(request: Request) -> None:
    """Refuses a query parameter that the route doesn't know: a misspelt filter would filter nothing."""
    fields = get_flat_params(request.scope["route"].dependant)
    known = {field.alias for field in fields if isinstance(field.field_info, QueryParameter)}
    for name in request.query_params:
        if name not in known:
            raise HTTPException(400, f"{name}: no such parameter here; there are {', '.join(sorted(known))}")


def wanted_format(request: Request, format: Format | None) -> Format | None:
    """As what all rows are wanted, or None for a page."""
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
    """A page of a list, or the whole of it as a file; `shape` names the columns."""
    limit, after, format = paging
    wanted = wanted_format(request, format)
    if wanted is not None:
        rows: Iterator[Row] = views.every(listing)
        return export(rows, list(shape.__annotations__), wanted, name)
    page = views.page(listing, limit, after, counted=False)
    links = _links(request, page)
    return Response(dump(page.rows), media_type="application/json", headers={"Link": links} if links else None)


def _links(request: Request, page: Page[Any]) -> str:
    # Only the query is said: whatever path a proxy shows us under stays as it is.
    given = [(name, value) for name, value in request.query_params.multi_items() if name != "after"]
    found = [("next", page.next), ("prev", page.previous)]
    return ", ".join(
        f'<?{urlencode([*given, ("after", cursor)])}>; rel="{rel}"' for rel, cursor in found if cursor is not None
    )
