"""Missed keys for a resync, read in pieces of bounded size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from pydantic import ValidationError
from sqlalchemy import func, select

from rules.switches import Scope
from schemas.domains import DOMAINS
from schemas.reasons import Reason, Refused
from schemas.validation_errors import validation_refused
from storage.entities import key_text
from storage.fence import Fence
from storage.missed_index import is_narrow, key_place, place_of
from storage.tables import missed
from storage.views import MissedFilter

__all__ = ["MissedKeys", "Piece", "key_of", "key_values", "stored_key"]


class Piece(NamedTuple):
    """A piece of the missed keys of one shop and domain, each as JSON text."""

    shop: str
    domain: str
    keys: tuple[str, ...]


class MissedKeys:
    """The missed keys at the time of each read."""

    def __init__(self, fence: Fence) -> None:
        self._fence = fence

    def scopes(self, filter: MissedFilter) -> dict[Scope, int]:
        """Count the missed keys that pass the filter, by shop and domain."""
        query = select(missed.c.shop, missed.c.domain, func.count()).where(*filter.where())
        with self._fence.snapshot() as connection:
            rows = connection.execute(query.group_by(missed.c.shop, missed.c.domain)).all()
        return {(shop, domain): count for shop, domain, count in sorted(map(tuple, rows))}

    def pieces(self, filter: MissedFilter, scopes: Iterable[Scope], size: int) -> Iterator[Piece]:
        """Yield the filtered keys of these shops and domains, each once, at most `size` at a time.

        Every piece is a read of its own: memory stays flat, and a key that is added or repaired meanwhile may or may
        not be included.
        """
        for shop, domain in scopes:
            scope_filter, after = replace(filter, shop=shop, domain=domain), ""
            while piece := self._piece(scope_filter, after, size):
                yield piece
                after = piece.keys[-1]

    def _piece(self, filter: MissedFilter, after: str, size: int) -> Piece | None:
        shop, domain = filter.shop or "", filter.domain or ""
        with self._fence.snapshot() as connection:
            place = key_place(narrow=(narrow := is_narrow(connection)))
            query = select(missed.c.key).where(*filter.where(), place > place_of(domain, after, narrow=narrow))
            keys = tuple(connection.scalars(query.order_by(place).limit(size)))
        return Piece(shop, domain, keys) if keys else None


def key_of(domain: str, fields: Mapping[str, Any]) -> str:
    """Return the stored text of a key; raises `Refused` if these are not the key fields of the domain."""
    return key_text(domain, key_values(domain, fields))


def key_values(domain: str, fields: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the values of a key as an event has them; raises `Refused` if these are not the domain's key fields."""
    kind = DOMAINS[domain]
    if unknown := next((name for name in fields if name not in kind.key_fields), None):
        raise Refused(Reason.UNKNOWN_FIELD, f"/{unknown}", f"the key fields are {', '.join(kind.key_fields)}")
    try:
        key = kind.key.model_validate(dict(fields))
    except ValidationError as error:
        raise validation_refused(error) from None
    return tuple(key.__dict__[name] for name in kind.key_fields)


def stored_key(domain: str, text: str) -> tuple[Any, ...]:
    """Return the values of a missed key from its stored text, as an event has them."""
    fields, times = orjson.loads(text), DOMAINS[domain].key_times
    return tuple(
        datetime.fromisoformat(fields[name]) if name in times else fields[name] for name in DOMAINS[domain].key_fields
    )
