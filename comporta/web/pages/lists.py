"""List pages: rows, pagination, and export links with the same filter."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fastapi import HTTPException, Request, Response

from comporta.web.pages.renderer import Pages, address
from storage.views import Listing, Views
from storage.views.pagination import Row

__all__ = ["blank_to_none", "list_page", "parse_moment"]

ROWS = 50


def blank_to_none(text: str) -> str | None:
    """Return the stripped text of a field; None if it is empty."""
    return text.strip() or None


def parse_moment(local: str, utc: str) -> datetime | None:
    """Parse a moment of a form: the script's UTC value or, without JavaScript, the field itself, read as UTC.

    Return None for an empty field. Raises `HTTPException` 400 if the text can't be parsed: ignoring it would widen the
    filter.
    """
    text = (utc if local else "") or local
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise HTTPException(400, f"since, until: {text[:40]} is not a moment like 2026-11-23T20:00") from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def list_page(
    pages: Pages,
    views: Views,
    request: Request,
    template: str,
    listing: Listing[Row],
    filters: Mapping[str, object],
    export: str | None = None,
    **values: Any,
) -> Response:
    """Return a page of a list; `filters` are its query parameters, `export` is the API route of the same list."""
    page = views.page(listing, ROWS, blank_to_none(request.query_params.get("after", "")))
    path = request.url.path.removeprefix(request.scope.get("root_path", ""))
    visible = {name: value for name, value in filters.items() if name not in {"since_utc", "until_utc"}}
    exports = (
        {kind: address(request, export, **_api_params(filters), format=kind) for kind in ("csv", "json")}
        if export
        else {}
    )
    return pages.render(
        request,
        template,
        rows=page.rows,
        total=page.total,
        filters=filters,
        filtered=any(visible.values()),
        exports=exports,
        next_page=page.next and address(request, path, **filters, after=page.next),
        previous_page=page.previous and address(request, path, **filters, after=page.previous),
        **values,
    )


def _api_params(filters: Mapping[str, object]) -> dict[str, object]:
    """Return the filter as query parameters of the API, with moments in UTC."""
    params = {name: value for name, value in filters.items() if not name.endswith("_utc")}
    for name in ("since", "until"):
        if at := parse_moment(str(filters.get(name) or ""), str(filters.get(f"{name}_utc") or "")):
            params[name] = at.isoformat().replace("+00:00", "Z")
        else:
            params.pop(name, None)
    return params
