"""A list over HTTP: a page with links to its neighbours (RFC 8288), or all of it as a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

from fastapi import HTTPException, Query, Request, Response
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query as QueryParameter

from comporta.web.export import CSV, Format, dump, export
from storage.views import Listing, Page, Views

__all__ = ["LISTED", "After", "FormatQuery", "Limit", "listed", "only_known", "wanted_format"]

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

Row = TypeVar("Row", bound=Mapping[str, Any])


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
