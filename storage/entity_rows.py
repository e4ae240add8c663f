"""Rows of a shop's domain in key order, page by page, in their canonical form."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Integer, Select, bindparam, exists, select, tuple_

from rules.comparison import Here
from schemas.canonical import canonical_json, canonical_key
from schemas.domains import DOMAINS
from storage.entities import event_value, key_text
from storage.entity_tables import ENTITY_TABLES
from storage.feeds import read_feeds
from storage.fence import Fence
from storage.tables import shops
from storage.types import EXACT_TEXT

__all__ = ["EntityRows", "StoredEntity"]

_PAGE = 2_000


class StoredEntity(NamedTuple):
    """A row: its key as `missed` has it, its key's canonical JSON, and its stamp and content."""

    key: str
    canonical_key: bytes
    here: Here


class EntityRows:
    """The rows of one shop and domain, tombstones included."""

    def __init__(self, fence: Fence, shop: str, domain: str) -> None:
        self._fence = fence
        self._shop = shop
        self._domain = domain

    @property
    def shop_is_known(self) -> bool:
        """Return whether an event of the shop has been received."""
        with self._fence.snapshot() as connection:
            return bool(connection.scalar(select(exists(1).where(shops.c.shop == self._shop))))

    @property
    def by_time(self) -> bool | None:
        """Return whether the feed's versions are times; None if no event has decided it."""
        with self._fence.snapshot() as connection:
            return read_feeds(connection, {(self._shop, self._domain)}).get((self._shop, self._domain))

    def pages(self) -> Iterator[list[StoredEntity]]:
        """Yield the rows in key order; every page is a read of its own, so that no transaction lasts."""
        keys = len(DOMAINS[self._domain].key_fields)
        after: dict[str, Any] = {}
        while True:
            query = _page(self._domain, first=not after)
            with self._fence.snapshot() as connection:
                rows = connection.execute(query, {"shop": self._shop, "page": _PAGE, **after}).all()
            if not rows:
                return
            yield [self._entity(row._mapping) for row in rows]
            after = {f"after_{position}": value for position, value in enumerate(rows[-1][:keys])}

    def _entity(self, row: Any) -> StoredEntity:
        names = DOMAINS[self._domain].key_fields
        content = None if row["deleted"] else canonical_json(self._domain, row)
        key = key_text(self._domain, [event_value(row[name]) for name in names])
        return StoredEntity(key, canonical_key(self._domain, row), Here((row["version"], row["event_id"]), content))


@cache
def _page(domain: str, *, first: bool) -> Select[Any]:
    table = ENTITY_TABLES[domain]
    keys = [table.c[name] for name in DOMAINS[domain].key_fields]
    others = [table.c[name] for name in DOMAINS[domain].columns if name not in DOMAINS[domain].key_fields]
    query = select(*keys, *others, table.c.version, table.c.event_id, table.c.deleted)
    query = query.where(table.c.shop == bindparam("shop", type_=EXACT_TEXT))
    if not first:
        after = (bindparam(f"after_{position}", type_=key.type) for position, key in enumerate(keys))
        query = query.where(tuple_(*keys) > tuple_(*after))
    return query.order_by(*keys).limit(bindparam("page", type_=Integer()))
