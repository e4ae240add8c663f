"""Change feed: one row for each row of the domains' tables that a transaction writes, in the order of the commits.

The positions are taken from one row, last of all, and that row stays locked until the commit is visible. So no
transaction takes a position while an earlier one is not visible yet: behind a position that a reader sees, no other can
appear. The positions have no gap but where rows were pruned or where the feed was off: there a reader starts over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    Connection,
    Executable,
    Select,
    and_,
    bindparam,
    delete,
    func,
    select,
    true,
    update,
)
from sqlalchemy.types import TypeEngine

from schemas.domains import DOMAINS
from schemas.events import ChangeEvent
from storage.dialect import dump_rows, insert_into, rowset
from storage.entities import key_text, matching
from storage.entity_tables import ENTITY_TABLES
from storage.feed_tables import change_feed, changes
from storage.fence import Fence
from storage.types import BIGINT, EXACT_TEXT, UtcTime

__all__ = [
    "FEED",
    "Change",
    "ChangeFeed",
    "read_changes",
    "record_changes",
    "record_if_on",
    "recording",
    "written_events",
]

FEED = "changes"
# A pause waits for as long as a step takes.
_PRUNED_AT_ONCE = 500
_OWN_ROW = change_feed.c.name == FEED


class Change(NamedTuple):
    """A row of the feed; `key` is JSON text of the key fields."""

    position: int
    shop: str
    domain: str
    key: str
    version: int
    deleted: bool
    at: datetime


def recording() -> Select[Any]:
    """Return the query for whether changes are recorded: no row means no."""
    return select(change_feed.c.recording).where(_OWN_ROW)


def written_events(
    connection: Connection, domain: str, events: Sequence[ChangeEvent], number: int, now: datetime
) -> Sequence[ChangeEvent]:
    """Return those of the events that this transaction has written, `number` of them; mostly that is all."""
    if number == len(events):
        return events
    if not number:
        return []
    dialect = connection.dialect.name
    rows = (
        {
            **dict(zip(DOMAINS[domain].key_fields, event.key, strict=True)),
            "position": position,
            "shop": event.shop,
            "version": event.version,
            "event_id": event.event_id,
        }
        for position, event in enumerate(events)
    )
    found = connection.scalars(_written(dialect, domain), {"rows": dump_rows(dialect, rows), "now": now})
    return [events[position] for position in sorted(found)]


def record_changes(connection: Connection, events: Iterable[ChangeEvent], now: datetime) -> None:
    """Add the changes of a transaction to the feed. To be called last: other transactions wait until the commit."""
    rows = [
        {
            "shop": event.shop,
            "domain": event.domain,
            "key": key_text(event.domain, event.key),
            "version": event.version,
            "deleted": event.deleted,
        }
        for event in events
    ]
    if not rows:
        return
    # Together what belongs together: one message then names many keys.
    rows.sort(key=lambda row: (row["shop"], row["domain"]))
    for ordinal, row in enumerate(rows, 1):
        row["ordinal"] = ordinal
    dialect = connection.dialect.name
    parameters = {"count": len(rows), "rows": dump_rows(dialect, rows), "now": now}
    if dialect != "postgresql":
        parameters["base"] = connection.scalar(_take(), {"count": len(rows)})
    connection.execute(_insert(dialect), parameters)


def record_if_on(connection: Connection, events: Iterable[ChangeEvent], now: datetime) -> None:
    """Add the changes of a transaction that is no batch to the feed, if it is on. To be called last, too."""
    if connection.scalar(recording()):
        record_changes(connection, events, now)


def read_changes(connection: Connection, after: int, limit: int) -> Iterator[Change]:
    """Yield the changes after a position, in their order."""
    query = select(*(changes.c[name] for name in Change._fields)).where(changes.c.position > after)
    for row in connection.execute(query.order_by(changes.c.position).limit(limit)):
        yield Change(*row)


class ChangeFeed:
    """The feed as a whole: switched by the workers' setting, and pruned in steps."""

    def __init__(self, fence: Fence) -> None:
        self._fence = fence

    def switch(self, *, on: bool) -> bool:
        """Record changes from now on, or no more; return whether that changed anything.

        Alone behind the fence, so that no two batches see it differently. When it comes on again, a position is left
        out: a reader sees that it has missed changes.
        """
        with self._fence.snapshot() as connection:
            if bool(connection.scalar(recording())) == on:
                return False
        with self._fence.exclusive() as connection:
            row = insert_into(connection.dialect.name, change_feed).values(name=FEED, recording=on, position=1)
            gap = change_feed.c.position + (1 if on else 0)
            connection.execute(
                row.on_conflict_do_update(
                    index_elements=["name"],
                    set_={"recording": on, "position": gap},
                    where=change_feed.c.recording.is_not(on),
                )
            )
        return True

    def prune(self, before: datetime, published: int) -> int:
        """Delete some of the changes that are older than a time and published; return their number.

        The newest one stays: from it a reader sees whether it has missed any.
        """
        with self._fence.shared() as connection:
            newest = connection.scalar(select(func.max(changes.c.position))) or 0
            first = select(changes.c.position, changes.c.at).order_by(changes.c.position).limit(_PRUNED_AT_ONCE)
            oldest = first.subquery()
            old = select(func.max(oldest.c.position)).where(oldest.c.at < before)
            through = min(connection.scalar(old) or 0, published, newest - 1)
            return connection.execute(delete(changes).where(changes.c.position <= through)).rowcount


def _take() -> Any:
    more = change_feed.c.position + bindparam("count", type_=BIGINT)
    taken = update(change_feed).where(_OWN_ROW).values(position=more)
    return taken.returning((change_feed.c.position - bindparam("count", type_=BIGINT)).label("base"))


@cache
def _insert(dialect: str) -> Executable:
    names = ("shop", "domain", "key", "version", "deleted")
    kinds: dict[str, TypeEngine[Any]] = {"ordinal": BIGINT, **{name: changes.c[name].type for name in names}}
    rows = rowset(dialect, kinds)
    now = bindparam("now", type_=UtcTime)
    values = [rows.columns[name] for name in names]
    if dialect == "postgresql":
        # One statement: the row stays locked for one round trip less.
        base = _take().cte("taken")
        source = select(base.c.base + rows.columns["ordinal"], *values, now).select_from(base.join(rows.source, true()))
    else:
        source = select(bindparam("base", type_=BIGINT) + rows.columns["ordinal"], *values, now)
    statement: Executable = insert_into(dialect, changes).from_select(["position", *names, "at"], source)
    return statement


@cache
def _written(dialect: str, domain: str) -> Executable:
    table, keys = ENTITY_TABLES[domain], DOMAINS[domain].key_fields
    kinds: dict[str, TypeEngine[Any]] = {name: table.c[name].type for name in keys}
    stamps: dict[str, TypeEngine[Any]] = {"shop": EXACT_TEXT, "version": BIGINT, "event_id": EXACT_TEXT}
    rows = rowset(dialect, {"position": BIGINT, **kinds, **stamps})
    same = (table.c[name] == rows.columns[name] for name in ("version", "event_id"))
    return (
        select(rows.columns["position"])
        .select_from(rows.source.join(table, and_(*matching(table, rows, keys))))
        .where(*same, table.c.applied_at == bindparam("now", type_=UtcTime))
    )
