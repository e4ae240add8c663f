"""Shops: a table that sorts and filters, a bounded number of rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from fastapi import APIRouter, Request, Response

from comporta.web.pages.renderer import Pages, address
from schemas.control import StatusDocument
from storage.views import Views
from storage.views.feeds import FeedRow
from storage.views.quarantine_groups import QuarantineGroup

__all__ = ["ShopLine", "shop_lines", "shops_router"]

_ROWS = 50
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class ShopLine(NamedTuple):
    """One shop: its domains that are off, missed keys, refused messages, waiting orders and last event."""

    shop: str
    off: int
    domains: int
    missed: int
    refused: int
    waiting: int
    last: datetime | None

    @property
    def troubled(self) -> bool:
        """Return whether anything of the shop is off, missed or refused."""
        return bool(self.off or self.missed or self.refused)


# Each column, with the order in which a click shows its rows: what matters most first.
_SORTS: dict[str, tuple[Callable[[ShopLine], object], bool]] = {
    "shop": (lambda line: line.shop, False),
    "off": (lambda line: line.off, True),
    "missed": (lambda line: line.missed, True),
    "refused": (lambda line: line.refused, True),
    "waiting": (lambda line: line.waiting, True),
    "last": (lambda line: line.last or _LONG_AGO, True),
}


def shops_router(pages: Pages, views: Views) -> APIRouter:
    """Return the route of the shops."""
    router = APIRouter(include_in_schema=False)

    @router.get("/shops")
    def shops(request: Request, text: str = "", show: str = "", sort: str = "", page: str = "") -> Response:
        document = pages.status()
        everything = shop_lines(document, views.quarantine_groups(), views.feeds())
        sort = sort if sort in _SORTS else "off"
        named = [line for line in everything if text.strip().lower() in line.shop]
        rows = _sorted([line for line in named if show != "trouble" or line.troubled], sort)
        number = int(page) if page.isascii() and page.isdigit() and len(page) < 6 else 0
        number = min(number, max(0, (len(rows) - 1) // _ROWS))
        filters = {"text": text, "show": show, "sort": sort}

        def link(to: int) -> str:
            return address(request, "/shops", **filters, page=to or "")

        return pages.render(
            request,
            "shops.html",
            document=document,
            rows=rows[number * _ROWS : (number + 1) * _ROWS],
            found=len(rows),
            total=len(everything),
            off=sum(line.off > 0 for line in everything),
            sorts=list(_SORTS),
            filters=filters,
            filtered=bool(text or show),
            previous_page=link(number - 1) if number else None,
            next_page=link(number + 1) if (number + 1) * _ROWS < len(rows) else None,
        )

    return router


def shop_lines(document: StatusDocument, groups: Iterable[QuarantineGroup], feeds: Iterable[FeedRow]) -> list[ShopLine]:
    """Return a line for each shop that is known."""
    refused: dict[str, int] = {}
    for group in groups:
        refused[group.shop] = refused.get(group.shop, 0) + group.number
    last: dict[str, datetime] = {}
    for feed in feeds:
        last[feed["shop"]] = max(last.get(feed["shop"], _LONG_AGO), feed["last_at"])
    return [
        ShopLine(
            shop,
            sum(state == "off" for state in domains.values()),
            len(domains),
            sum(document.missed.get(shop, {}).values()),
            refused.get(shop, 0),
            document.orders.get(shop, {}).get("waiting", 0),
            last.get(shop),
        )
        for shop, domains in document.effective.items()
    ]


def _sorted(lines: list[ShopLine], sort: str) -> list[ShopLine]:
    key, reverse = _SORTS[sort]
    by_name = sorted(lines, key=lambda line: line.shop)
    return sorted(by_name, key=key, reverse=reverse)  # type: ignore[arg-type]  # Each column is of one type.
