"""Versions: forgetting those of some keys, or of a shop's domain, so that the next event of each key wins.

A forgotten key keeps its row; only its version becomes the lowest of all, and so does that of its missed key, so that
the event that wins also clears it. Both change in one transaction: an event between the two would clear the missed key
without being applied. A process that ends in between leaves some keys forgotten; to repeat the action is harmless.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Executable,
    Integer,
    Select,
    Update,
    and_,
    bindparam,
    func,
    select,
    tuple_,
    update,
)
from sqlalchemy.types import TypeEngine

from rules.versions import FORGOTTEN
from schemas.domains import DOMAINS
from storage.audit import add_count
from storage.dialect import Rowset, dump_rows, rowset
from storage.entities import event_value, key_text, matching
from storage.entity_tables import ENTITY_TABLES
from storage.feeds import reset_feed
from storage.fence import Fence
from storage.missed import stored_key
from storage.missed_index import is_narrow, key_place, place_of
from storage.tables import missed
from storage.types import EXACT_TEXT

__all__ = ["VersionCount", "VersionScope", "VersionStore"]

# So few that a pause, which waits for the running step, waits for milliseconds.
_AT_ONCE = 1_000
_PAGE = 10_000

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class VersionScope:
    """The keys whose versions are forgotten: those given, as an event has their values, or all of a shop's domain."""

    shop: str
    domain: str
    keys: tuple[Key, ...] | None = None

    def __str__(self) -> str:
        if self.keys is None:
            return "every key"
        return key_text(self.domain, self.keys[0]) if len(self.keys) == 1 else f"{len(self.keys)} keys"


class VersionCount(NamedTuple):
    """The number of rows with a version that can be forgotten, and that of missed keys."""

    keys: int
    missed: int


class VersionStore:
    """The versions of the domains' tables and of the missed keys."""

    def __init__(self, fence: Fence) -> None:
        self._fence = fence

    def count(self, scope: VersionScope) -> VersionCount:
        """Count what `forget` would change."""
        with self._fence.snapshot() as connection:
            if scope.keys is not None:
                narrow, dialect = is_narrow(connection), connection.dialect.name
                rows = {"rows": _dumped(dialect, scope.shop, scope.domain, scope.keys, narrow=narrow)}
                queries = _count_given(dialect, scope.domain, narrow=narrow)
                numbers = (connection.scalar(query, rows) for query in queries)
            else:
                numbers = (connection.scalar(query) for query in _count_all(scope.shop, scope.domain))
            return VersionCount(*(number or 0 for number in numbers))

    def forget(self, scope: VersionScope, audit_id: str) -> Iterator[int]:
        """Forget the versions step by step, each in a transaction of its own; yield the number of keys of each.

        Keys that become known while it runs may or may not be included.
        """
        for keys in self._pages(scope):
            for start in range(0, len(keys), _AT_ONCE):
                with self._fence.shared() as connection:
                    forgotten = _forget(connection, audit_id, scope, keys[start : start + _AT_ONCE])
                yield forgotten

    def _pages(self, scope: VersionScope) -> Iterator[Sequence[Key]]:
        """Yield the keys, read outside the fence: before PostgreSQL has statistics of a table, a page may take long."""
        if scope.keys is not None:
            yield sorted(set(scope.keys))
            return
        # The missed keys first: some of them may have no row.
        for page in (_missed_page, _table_page):
            after: Any = None
            while True:
                with self._fence.snapshot() as connection:
                    keys, after = page(connection, scope, after)
                if not keys:
                    break
                yield keys

    def decide_anew(self, shop: str, domain: str) -> None:
        """Let the next event of a feed decide its kind of version; alone behind the fence, as a switch change is."""
        with self._fence.exclusive() as connection:
            reset_feed(connection, shop, domain)


def _forget(connection: Connection, audit_id: str, scope: VersionScope, keys: Sequence[Key]) -> int:
    """Forget the versions of these keys, and count them in the audit; return how many had one."""
    dialect, domain, narrow = connection.dialect.name, scope.domain, is_narrow(connection)
    # In the order in which batches write: two transactions that lock rows in two orders would deadlock.
    params = {"rows": _dumped(dialect, scope.shop, domain, sorted(keys), narrow=narrow)}
    forgotten: set[str] = set()
    for lock, change in _statements(dialect, domain, narrow=narrow):
        if dialect == "postgresql":
            connection.execute(lock, params)
        forgotten.update(_text(domain, row) for row in connection.execute(change, params))
    add_count(connection, audit_id, len(forgotten))
    return len(forgotten)


def _text(domain: str, row: Any) -> str:
    """Return the key as text: of a missed key the row is that text already."""
    return row.key if "key" in row._fields else key_text(domain, [event_value(value) for value in row])


def _dumped(dialect: str, shop: str, domain: str, keys: Sequence[Key], *, narrow: bool) -> str:
    names = DOMAINS[domain].key_fields
    rows: Iterator[Mapping[str, Any]] = (
        {
            **dict(zip(names, key, strict=True)),
            "position": position,
            "shop": shop,
            "missed_key": place_of(domain, key_text(domain, key), narrow=narrow),
        }
        for position, key in enumerate(keys)
    )
    return dump_rows(dialect, rows)


def _missed_page(connection: Connection, scope: VersionScope, after: str | None) -> tuple[list[Key], str | None]:
    place = key_place(narrow=(narrow := is_narrow(connection)))
    behind = place > place_of(scope.domain, after or "", narrow=narrow)
    query = select(missed.c.key).where(*_missed_of(scope.shop, scope.domain), behind)
    texts = list(connection.scalars(query.order_by(place).limit(_PAGE)))
    return [stored_key(scope.domain, text) for text in texts], texts[-1] if texts else None


def _table_page(connection: Connection, scope: VersionScope, after: Key | None) -> tuple[list[Key], Key | None]:
    params = {} if after is None else {f"after_{position}": value for position, value in enumerate(after)}
    rows = connection.execute(
        _page(scope.domain, first=after is None), {"shop": scope.shop, "page": _PAGE, **params}
    ).all()
    return [tuple(map(event_value, row)) for row in rows], tuple(rows[-1]) if rows else None


def _missed_of(shop: str, domain: str) -> tuple[ColumnElement[bool], ...]:
    return missed.c.domain == domain, missed.c.shop == shop, missed.c.version > FORGOTTEN


def _count_all(shop: str, domain: str) -> tuple[Select[Any], Select[Any]]:
    table = ENTITY_TABLES[domain]
    rows = select(func.count()).select_from(table).where(table.c.shop == shop, table.c.version > FORGOTTEN)
    return rows, select(func.count()).select_from(missed).where(*_missed_of(shop, domain))


@cache
def _page(domain: str, *, first: bool) -> Select[Any]:
    table = ENTITY_TABLES[domain]
    keys = [table.c[name] for name in DOMAINS[domain].key_fields]
    query = select(*keys).where(table.c.shop == bindparam("shop", type_=EXACT_TEXT), table.c.version > FORGOTTEN)
    if not first:
        after = (bindparam(f"after_{position}", type_=key.type) for position, key in enumerate(keys))
        query = query.where(tuple_(*keys) > tuple_(*after))
    return query.order_by(*keys).limit(bindparam("page", type_=Integer()))


def _given(dialect: str, domain: str) -> Rowset:
    table = ENTITY_TABLES[domain]
    keys: dict[str, TypeEngine[Any]] = {name: table.c[name].type for name in DOMAINS[domain].key_fields}
    return rowset(dialect, {"position": Integer(), "shop": EXACT_TEXT, "missed_key": EXACT_TEXT, **keys})


def _row_condition(rows: Rowset, domain: str) -> ColumnElement[bool]:
    table = ENTITY_TABLES[domain]
    return and_(*matching(table, rows, DOMAINS[domain].key_fields), table.c.version > FORGOTTEN)


def _missed_condition(rows: Rowset, domain: str, *, narrow: bool) -> ColumnElement[bool]:
    return and_(
        missed.c.domain == domain,
        missed.c.shop == rows.columns["shop"],
        key_place(narrow=narrow) == rows.columns["missed_key"],
        missed.c.version > FORGOTTEN,
    )


@cache
def _count_given(dialect: str, domain: str, *, narrow: bool) -> tuple[Select[Any], Select[Any]]:
    rows = _given(dialect, domain)
    table = ENTITY_TABLES[domain]
    return (
        select(func.count()).select_from(rows.source.join(table, _row_condition(rows, domain))),
        select(func.count()).select_from(rows.source.join(missed, _missed_condition(rows, domain, narrow=narrow))),
    )


@cache
def _statements(dialect: str, domain: str, *, narrow: bool) -> tuple[tuple[Executable, Update], ...]:
    """Return the statements that lock and change rows: a pair for the table, and a pair for the missed keys."""
    rows = _given(dialect, domain)
    table = ENTITY_TABLES[domain]
    keys = [table.c[name] for name in DOMAINS[domain].key_fields]
    return tuple(
        (
            select(target.c.version)
            .select_from(rows.source.join(target, condition))
            .order_by(rows.columns["position"])
            .with_for_update(of=target),
            update(target).where(condition).values(version=FORGOTTEN).returning(*returned),
        )
        for target, condition, returned in (
            (table, _row_condition(rows, domain), keys),
            (missed, _missed_condition(rows, domain, narrow=narrow), [missed.c.key]),
        )
    )
