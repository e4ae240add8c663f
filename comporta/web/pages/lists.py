"""What every list has in common: a page of rows, the way on and back, and exports of exactly the filter."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fastapi import HTTPException, Request, Response

from comporta.web.pages.rendering import Pages, address
from storage.views import Listing, Views
from storage.views.pagination import Row

__all__ = ["blank_to_none", "list_page", "parse_moment"]

ROWS = 50


def blank_to_none(text: str) -> str | None:
    """What was filled in; None for an empty field."""
    return text.strip() or None


def parse_moment(local: str, utc: str) -> datetime | None:
    """A moment of a form: the browser's, or without JavaScript the field itself, read as UTC.

    None for an empty field; what can't be read is answered with 400, since without it the filter would mean more.
    """
    said = (utc if local else "") or local
    if not said:
        return None
    try:
        at = datetime.fromisoformat(said)
    except ValueError:
        raise HTTPException(400, f"since, until: {said[:40]} is not a moment like 2026-11-23T20:00") from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def list_page(
    pages: Pages,
    views: Views,
    request: Request,
    template: str,
    listing: Listing[Row],
    wanted: Mapping[str, object],
    export: str | None = None,
    **more: Any,
) -> Response:
    """A page of a list; `wanted` is the filter as the address has it, `export` where the API lists the same."""
    page = views.page(listing, ROWS, blank_to_none(request.query_params.get("after", "")))
    path = request.url.path.removeprefix(request.scope.get("root_path", ""))
    asked = {name: value for name, value in wanted.items() if name not in {"since_utc", "until_utc"}}
    exports = (
        {kind: address(request, export, **_exact(wanted), format=kind) for kind in ("csv", "json")} if export else {}
    )
    return pages.render(
        request,
        template,
        rows=page.rows,
        total=page.total,
        wanted=wanted,
        filtered=any(asked.values()),
        exports=exports,
        next_page=page.next and address(request, path, **wanted, after=page.next),
        previous_page=page.previous and address(request, path, **wanted, after=page.previous),
        **more,
    )


def _exact(wanted: Mapping[str, object]) -> dict[str, object]:
    """The filter as the API has it: times as moments."""
    exact = {name: value for name, value in wanted.items() if not name.endswith("_utc")}
    for name in ("since", "until"):
        if at := parse_moment(str(wanted.get(name) or ""), str(wanted.get(f"{name}_utc") or "")):
            exact[name] = at.isoformat().replace("+00:00", "Z")
        else:
            exact.pop(name, None)
    return exact
