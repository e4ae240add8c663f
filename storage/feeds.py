"""Feeds: the kind of version of each shop and domain, decided by its first event."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Executable, delete, select

from rules.switches import Scope
from storage.dialect import dump_rows, insert_into, rowset
from storage.switches import FEEDS
from storage.tables import feeds, generations
from storage.types import EXACT_TEXT

__all__ = ["decide_feeds", "end_memories", "read_feeds", "reset_feed"]


def decide_feeds(connection: Connection, kinds: Mapping[Scope, bool], now: datetime) -> dict[Scope, bool]:
    """Insert the kinds (True: by time) of feeds that have none, and return the kind of each.

    Another worker may have decided first, or be about to: the insert waits for its transaction, so that both have the
    same answer. In the order of their keys, so that two batches never wait for each other.
    """
    rows = [
        {"shop": shop, "domain": domain, "by_time": kind, "since": now}
        for (shop, domain), kind in sorted(kinds.items())
    ]
    connection.execute(insert_into(connection.dialect.name, feeds).on_conflict_do_nothing(), rows)
    return read_feeds(connection, kinds)


def read_feeds(connection: Connection, scopes: Iterable[Scope]) -> dict[Scope, bool]:
    """Return the kind of version (True: by time) of those of these feeds that have one."""
    dialect = connection.dialect.name
    rows = dump_rows(dialect, ({"shop": shop, "domain": domain} for shop, domain in scopes))
    return {(row.shop, row.domain): row.by_time for row in connection.execute(_read(dialect), {"rows": rows})}


def reset_feed(connection: Connection, shop: str, domain: str) -> None:
    """Let the next event decide a feed's kind anew, and end every worker's memory of feeds.

    The caller holds the fence alone: no batch is between its reading of the generation and its commit.
    """
    connection.execute(delete(feeds).where(feeds.c.shop == shop, feeds.c.domain == domain))
    end_memories(connection)


def end_memories(connection: Connection) -> None:
    """End every worker's memory of feeds and shops; the caller holds the fence alone."""
    insert: Any = insert_into(connection.dialect.name, generations)
    connection.execute(
        insert.on_conflict_do_update(index_elements=["name"], set_={"number": generations.c.number + 1}),
        {"name": FEEDS, "number": 1},
    )


@cache
def _read(dialect: str) -> Executable:
    rows = rowset(dialect, {"shop": EXACT_TEXT, "domain": EXACT_TEXT})
    same = (feeds.c.shop == rows.columns["shop"]) & (feeds.c.domain == rows.columns["domain"])
    return select(feeds.c.shop, feeds.c.domain, feeds.c.by_time).select_from(feeds.join(rows.source, same))
