"""Bounds of the role erp: its routes, and the shops and domains of which these show it anything."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from fastapi import HTTPException
from starlette.requests import HTTPConnection

from comporta.web.request import identity_of
from schemas.control import StatusDocument
from schemas.domains import DOMAINS, NO_DOMAIN, RECEIPTS
from storage.views import LoadFilter, MissedFilter, QuarantineFilter, UnknownFieldFilter

__all__ = ["ERP_DOMAINS", "ERP_HOME", "is_erp_route", "own", "own_document", "own_quarantine", "own_rows", "owned"]

# Quarantined orders are the shop's messages, with its customers: they are not the ERP's to read.
ERP_DOMAINS = (*DOMAINS, RECEIPTS, NO_DOMAIN)
# The page that the role erp is led to after its login.
ERP_HOME = "/feeds"
# Every other route is refused, one that is added later too.
_ROUTES = re.compile(
    r"/api/(?:quarantine(?:/(?!jobs(?:/|$))[^/]+(?:/body)?)?|missed|feeds|tail|loads(?:/[^/]+/[^/]+/.+)?)"
    r"|/(?:quarantine(?:/message)?|missed|feeds|loads?)"
)
Filter = TypeVar("Filter", MissedFilter, QuarantineFilter, LoadFilter, UnknownFieldFilter)
Row = TypeVar("Row", bound=Mapping[str, Any])


def is_erp_route(method: str, path: str) -> bool:
    """Return whether the role erp may request a route."""
    return method in {"GET", "HEAD"} and _ROUTES.fullmatch(path) is not None


def own(connection: HTTPConnection, filters: Filter) -> Filter:
    """Narrow a filter to the caller's shops; raises `HTTPException` 403 if it names another one."""
    identity = identity_of(connection)
    if not identity.is_erp:
        return filters
    _check("shop", filters.shop, identity.shops)
    return replace(filters, shops=identity.shops)


def own_quarantine(connection: HTTPConnection, filters: QuarantineFilter) -> QuarantineFilter:
    """Narrow a filter to the caller's shops and domains; raises `HTTPException` 403 if it names another one."""
    if not identity_of(connection).is_erp:
        return filters
    _check("domain", filters.domain, ERP_DOMAINS)
    return replace(own(connection, filters), domains=ERP_DOMAINS)


def own_rows(connection: HTTPConnection, rows: Iterable[Row], shop: str | None = None) -> list[Row]:
    """Return the rows of the caller's shops; raises `HTTPException` 403 if `shop`, a filter, is another one."""
    identity = identity_of(connection)
    if not identity.is_erp:
        return list(rows)
    _check("shop", shop, identity.shops)
    return [row for row in rows if row["shop"] in identity.shops]


def owned(connection: HTTPConnection, shop: str, domain: str) -> bool:
    """Return whether the caller may see what belongs to a shop and domain."""
    identity = identity_of(connection)
    return not identity.is_erp or (shop in identity.shops and domain in ERP_DOMAINS)


def own_document(document: StatusDocument, shops: tuple[str, ...]) -> StatusDocument:
    """Return the document with the names and the missed keys of these shops, and nothing of the others or of orders."""
    return document.model_copy(
        update={
            "switches": [],
            "planned": [],
            "effective": {shop: document.effective.get(shop, {}) for shop in shops},
            "workers": [],
            "orders": {},
            "in_flight_orders": 0,
            "overdue_orders": {},
            "erp_faults": {},
            "missed": {shop: counts for shop, counts in document.missed.items() if shop in shops},
            "quarantined": {},
            "last_minute": {},
        }
    )


def _check(name: str, value: str | None, allowed: tuple[str, ...]) -> None:
    if value is not None and value not in allowed:
        raise HTTPException(403, f"{name}: the role erp of this token does not reach {value[:80]}")
