"""List of unknown fields, with its filter."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, select

# pydantic reads TypedDict from here until Python 3.12.
from typing_extensions import TypedDict

from storage.tables import unknown_fields
from storage.views.pagination import Listing, Moment

__all__ = ["UnknownFieldFilter", "UnknownFieldRow"]


class UnknownFieldRow(TypedDict):
    """A field that is ignored, and how often it came; `suggestion` is the known field that it resembles.

    `field` is `colour` in the data, `addresses.colour` in an object inside it, `ce-colour` beside the data, and `…` for
    all names beyond the bound.
    """

    shop: str
    domain: str
    field: str
    suggestion: str | None
    count: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class UnknownFieldFilter(Listing[UnknownFieldRow]):
    """Unknown fields, the one that came last first; `shops` bounds the list besides."""

    shop: str | None = None
    domain: str | None = None
    shops: tuple[str, ...] | None = None

    def rows(self, _at: Moment, /) -> Select[Any]:
        """Select the fields that pass."""
        query = select(*(unknown_fields.c[name] for name in UnknownFieldRow.__annotations__))
        if self.shop is not None:
            query = query.where(unknown_fields.c.shop == self.shop)
        if self.shops is not None:
            query = query.where(unknown_fields.c.shop.in_(self.shops))
        return query if self.domain is None else query.where(unknown_fields.c.domain == self.domain)

    @property
    def order(self) -> tuple[ColumnElement[Any], ...]:
        """Order by the last time."""
        columns = unknown_fields.c
        return columns.last_at.desc(), columns.shop.desc(), columns.domain.desc(), columns.field.desc()
