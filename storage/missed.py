"""Reads the missed keys for whoever asks the ERP for them again: in pieces, never all at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError
from sqlalchemy import ColumnElement, func, select

from schemas.domains import DOMAINS
from schemas.events import ChangeEvent
from schemas.validation_errors import validation_refused
from storage.entities import key_text
from storage.fence import Fence
from storage.tables import missed

__all__ = ["MissedKeys", "Piece", "Wanted", "key_of"]


Scope = tuple[str, str]


class Wanted(NamedTuple):
    """Which missed keys: of a shop, of a domain, or exactly these (as JSON text, of that shop and domain)."""

    shop: str | None = None
    domain: str | None = None
    keys: tuple[str, ...] | None = None


class Piece(NamedTuple):
    """Some missed keys of one shop and domain, as JSON text each."""

    shop: str
    domain: str
    keys: tuple[str, ...]


class MissedKeys:
    """What is missed, as it is when it is read."""

    def __init__(self, fence: Fence) -> None:
        self._fence = fence

    def scopes(self, wanted: Wanted) -> dict[Scope, int]:
        """How many of the wanted keys are missed, by shop and domain."""
        query = select(missed.c.shop, missed.c.domain, func.count()).where(*_where(wanted))
        with self._fence.snapshot() as connection:
            rows = connection.execute(query.group_by(missed.c.shop, missed.c.domain)).all()
        return {(shop, domain): count for shop, domain, count in sorted(map(tuple, rows))}

    def pieces(self, wanted: Wanted, scopes: Iterable[Scope], size: int) -> Iterator[Piece]:
        """The wanted keys of these shops and domains, each once, at most `size` at a time.

        Every piece is a read of its own: memory stays flat, and what comes meanwhile is seen or not.
        """
        for shop, domain in scopes:
            one, after = wanted._replace(shop=shop, domain=domain), ""
            while piece := self._piece(one, after, size):
                yield piece
                after = piece.keys[-1]

    def _piece(self, wanted: Wanted, after: str, size: int) -> Piece | None:
        query = select(missed.c.key).where(*_where(wanted), missed.c.key > after).order_by(missed.c.key).limit(size)
        with self._fence.snapshot() as connection:
            keys = tuple(connection.scalars(query))
        return Piece(wanted.shop or "", wanted.domain or "", keys) if keys else None


def key_of(domain: str, fields: Mapping[str, Any]) -> str:
    """The text that a key is remembered by; raises `Refused` if these are not the key fields of the domain."""
    kind = DOMAINS[domain]
    try:
        key = kind.key.model_validate(dict(fields))
    except ValidationError as error:
        raise validation_refused(error) from None
    values = tuple(key.__dict__[name] for name in kind.key_fields)
    return key_text(ChangeEvent(domain, "", values, 0, "", None, True, key, 0))


def _where(wanted: Wanted) -> list[ColumnElement[bool]]:
    named = {"shop": wanted.shop, "domain": wanted.domain}
    where = [missed.c[name] == value for name, value in named.items() if value is not None]
    return where if wanted.keys is None else [*where, missed.c.key.in_(wanted.keys)]
