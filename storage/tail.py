"""Outcomes for whoever watches: a batch tells them one by one only while somebody does.

A watcher holds a lease that lapses by the database's clock. While any holds, a batch adds one row of `outcomes`
inside its own transaction. A row is shown when it is first seen, whatever its id: two workers' rows may become
visible in another order than they were numbered in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, Delete, Table, delete, func, select
from uuid_utils import uuid7

from rules.outcomes import Outcome, Rejected
from schemas.events import ChangeEvent
from storage.entities import key_text
from storage.tables import outcomes, watchers
from storage.types import UtcTime

__all__ = ["KEPT", "LEASE", "MOST_LINES", "database_now", "forget_outcomes", "record_outcomes", "remove_outcomes"]

LEASE = timedelta(seconds=10)
# Far longer than a lease: what was told while somebody watched outlives a watcher that is slow for a moment.
KEPT = timedelta(seconds=60)
MOST_LINES = 1_000

Item = ChangeEvent | Rejected


def record_outcomes(
    connection: Connection, worker: str, batch: Sequence[Item], found: Sequence[Outcome], now: datetime
) -> None:
    """Tells whoever watches what became of each item of a batch, of the first 1,000 at most."""
    row = {
        "id": str(uuid7()),
        "at": now,
        "worker": worker,
        "lines": orjson.dumps(list(_lines(batch[:MOST_LINES], found))).decode(),
        "left_out": max(0, len(batch) - MOST_LINES),
    }
    connection.execute(outcomes.insert(), row)


def forget_outcomes(connection: Connection, now: datetime) -> None:
    """Removes what is old enough to have been seen, and the watchers that went without saying so."""
    remove_outcomes(connection, outcomes.c.at < now - KEPT)
    connection.execute(_removing(watchers, watchers.c.until < now))


def remove_outcomes(connection: Connection, which: ColumnElement[bool]) -> None:
    """Removes some outcomes; those that somebody else is removing just now are left to them."""
    connection.execute(_removing(outcomes, which))


def database_now(connection: Connection) -> datetime:
    """The moment by the clock that leases are measured with."""
    if connection.dialect.name == "postgresql":
        return connection.execute(select(func.clock_timestamp(type_=UtcTime))).scalar_one()
    return datetime.now(UTC)


def _removing(table: Table, which: ColumnElement[bool]) -> Delete:
    free = select(table.c.id).where(which).with_for_update(skip_locked=True)
    return delete(table).where(table.c.id.in_(free))


def _lines(batch: Sequence[Item], found: Sequence[Outcome]) -> Iterator[dict[str, Any]]:
    for item, outcome in zip(batch, found, strict=False):
        said: dict[str, Any]
        if isinstance(item, Rejected):
            said = {"key": None, "version": None, "reason": item.refusal.reason, "pointer": item.refusal.pointer}
        else:
            said = {"key": orjson.Fragment(key_text(item)), "version": item.version, "reason": None, "pointer": None}
        yield {"shop": item.shop, "domain": item.domain, "outcome": outcome, **said}
