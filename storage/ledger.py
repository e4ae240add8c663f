"""The ledger: how many deliveries came to which outcome, and apart from that how many came in at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, Executable, Table, select

from rules.outcomes import Tally
from storage.entities import insert_into
from storage.rowset import before_conflict, dump_rows, rowset
from storage.tables import ledger, received, shops

__all__ = ["add_shops", "add_tally", "count_received"]

_domain = attrgetter("domain")


def count_received(batch: Iterable[object]) -> Counter[str]:
    """How many deliveries of each domain a batch holds, counted before anything is decided about them."""
    return Counter(map(_domain, batch))


def add_tally(connection: Connection, worker: str, came_in: Counter[str], tally: Tally, now: datetime) -> None:
    """Adds a batch's counts, of what came in and of what became of it, to the minute of `now`.

    The two are counted apart: what a fault loses between them shows as a difference.
    """
    dialect = connection.dialect.name
    rows = {"rows": dump_rows(dialect, _rows(worker, came_in, tally, now.replace(second=0, microsecond=0)))}
    for statement in _add(dialect):
        connection.execute(statement, rows)


def _rows(worker: str, came_in: Counter[str], tally: Tally, minute: datetime) -> Iterator[dict[str, Any]]:
    for domain, count in sorted(came_in.items()):
        yield {"minute": minute, "worker": worker, "domain": domain, "count": count}
    for (shop, domain, outcome), count in sorted(tally.items()):
        if count:
            yield {
                "minute": minute,
                "worker": worker,
                "shop": shop,
                "domain": domain,
                "outcome": outcome,
                "count": count,
            }


def add_shops(connection: Connection, found: set[str], now: datetime) -> None:
    """Remembers shops that are heard of for the first time."""
    statement = insert_into(connection.dialect.name, shops).on_conflict_do_nothing()
    connection.execute(statement, [{"shop": shop, "first_seen": now} for shop in sorted(found)])


@cache
def _add(dialect: str) -> tuple[Executable, ...]:
    came_in, outcomes = _adding(dialect, received), _adding(dialect, ledger)
    if dialect == "postgresql":
        # One statement, one round trip; SQLite knows no INSERT inside WITH, and has no way to go.
        return (outcomes.add_cte(came_in.cte("came_in")),)
    return came_in, outcomes


def _adding(dialect: str, table: Table) -> Any:
    names = [column.name for column in table.columns]
    given = rowset(dialect, {column.name: column.type for column in ledger.columns})
    source = select(*(given.columns[name] for name in names))
    outcome = given.columns["outcome"]
    chosen = source.where(outcome.is_(None) if table is received else outcome.is_not(None))
    insert = insert_into(dialect, table).from_select(names, before_conflict(chosen))
    return insert.on_conflict_do_update(
        index_elements=[column.name for column in table.primary_key],
        set_={"count": table.c["count"] + insert.excluded["count"]},
    )
