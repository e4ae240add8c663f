"""Resync requests by shop and domain: the last request, and the keys still missed that the ERP was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, Engine, func, select

from rules.switches import Scope
from schemas.control import ANY
from storage.errors import translated
from storage.tables import audit, missed
from storage.types import UtcTime

__all__ = ["Asked", "AskedKeys", "AskedView"]

# So many of the newest requests are looked at: those before them are answered, or are seen on the missed keys.
_REQUESTS = 200


class Asked(NamedTuple):
    """The last request for keys of a shop and domain, and the number of its keys without an answer."""

    at: datetime
    by: str
    waiting: int = 0


class AskedKeys(NamedTuple):
    """The requests by scope: those seen on keys still missed, and those in the audit, whose scope may be wider."""

    waiting: Mapping[Scope, Asked]
    requests: tuple[tuple[Scope, Asked], ...]

    def of(self, shop: str, domain: str, since: datetime) -> Asked | None:
        """Return the last request for a shop and domain since a moment; None if there was none."""
        waiting = self.waiting.get((shop, domain))
        found = [
            asked
            for (of_shop, of_domain), asked in self.requests
            if of_shop in (ANY, shop) and of_domain in (ANY, domain)
        ]
        last = max((asked for asked in (waiting, *found) if asked and asked.at >= since), default=None)
        return last and last._replace(waiting=waiting.waiting if waiting else 0)


class AskedView:
    """A reader of the requests."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def read(self) -> AskedKeys:
        """Return the requests by scope."""
        with translated(), self._engine.connect() as connection:
            return AskedKeys(_waiting(connection), _requests(connection))


def _waiting(connection: Connection) -> dict[Scope, Asked]:
    scope = (missed.c.shop, missed.c.domain)
    last = (
        select(*scope, func.max(missed.c.asked_at, type_=UtcTime()).label("at"), func.count().label("number"))
        .where(missed.c.asked_at.is_not(None))
        .group_by(*scope)
        .subquery()
    )
    query = (
        select(last.c.shop, last.c.domain, last.c["at"], func.min(missed.c.asked_by).label("by"), last.c.number)
        .join(
            missed,
            (missed.c.shop == last.c.shop) & (missed.c.domain == last.c.domain) & (missed.c.asked_at == last.c["at"]),
        )
        .group_by(last.c.shop, last.c.domain, last.c["at"], last.c.number)
    )
    rows = connection.execute(query)
    return {(row.shop, row.domain): Asked(row.at, row.by or "", row.number) for row in rows}


def _requests(connection: Connection) -> tuple[tuple[Scope, Asked], ...]:
    query = select(audit).where(audit.c.action == "resync", audit.c["count"] > 0).order_by(audit.c.id.desc())
    return tuple(
        ((row.shop or ANY, domain), Asked(row.at, row.user_id or row.by))
        for row in connection.execute(query.limit(_REQUESTS))
        for domain in row.domains or (ANY,)
    )
