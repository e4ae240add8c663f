"""The ledger: how many deliveries came to which outcome, and apart from that how many came in at all."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import Any

import orjson
from sqlalchemy import JSON, ColumnElement, Connection, Executable, Select, Table, Text, bindparam, select

from rules.outcomes import Tally
from storage.dialect import before_conflict, counts, insert_into, rowset
from storage.tables import ledger, received, shops
from storage.types import EXACT_TEXT, UtcTime

__all__ = ["add_shops", "add_tally", "count_received"]

_domain = attrgetter("domain")


def count_received(batch: Iterable[object]) -> Counter[str]:
    """How many deliveries of each domain a batch holds, counted before anything is decided about them."""
    return Counter(map(_domain, batch))


def add_tally(connection: Connection, worker: str, came_in: Counter[str], tally: Tally, now: datetime) -> None:
    """Adds a batch's counts, of what came in and of what became of it, to the minute of `now`.

    The two are counted apart: what a fault loses between them shows as a difference.
    """
    given = {
        "minute": now.replace(second=0, microsecond=0),
        "worker": worker,
        "came_in": orjson.dumps(came_in).decode(),
        "outcomes": orjson.dumps(_by_outcome(tally)).decode(),
    }
    for statement in _add(connection.dialect.name):
        connection.execute(statement, given)


def _by_outcome(tally: Tally) -> list[dict[str, Any]]:
    # A batch may speak of hundreds of shops, and of a few domains and outcomes: a number a shop is all that is sent.
    found: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for (shop, domain, outcome), count in tally.items():
        if count:
            found[domain, outcome][shop] = count
    # In one order always: the orders' thread of this worker may write the same row of the quarantined.
    return [
        {"domain": domain, "outcome": outcome, "shops": dict(sorted(shops.items()))}
        for (domain, outcome), shops in sorted(found.items())
    ]


def add_shops(connection: Connection, found: set[str], now: datetime) -> None:
    """Remembers shops that are heard of for the first time."""
    statement = insert_into(connection.dialect.name, shops).on_conflict_do_nothing()
    connection.execute(statement, [{"shop": shop, "first_seen": now} for shop in sorted(found)])


@cache
def _add(dialect: str) -> tuple[Executable, ...]:
    came_in, outcomes = _adding(dialect, received, _came_in(dialect)), _adding(dialect, ledger, _outcomes(dialect))
    if dialect == "postgresql":
        # One statement, one round trip; SQLite knows no INSERT inside WITH, and has no way to go.
        return (outcomes.add_cte(came_in.cte("came_in")),)
    return came_in, outcomes


def _came_in(dialect: str) -> Select[Any]:
    given = counts(dialect, bindparam("came_in", type_=Text())).columns
    return select(*_when(), given["name"], given["count"])


def _outcomes(dialect: str) -> Select[Any]:
    given = rowset(dialect, {"domain": EXACT_TEXT, "outcome": EXACT_TEXT, "shops": JSON()}, "outcomes")
    each = counts(dialect, given.columns["shops"])
    outcome = (given.columns[name] for name in ("domain", "outcome"))
    chosen = select(*_when(), each.columns["name"], *outcome, each.columns["count"])
    # In this order: a function may only speak of what stands before it.
    return chosen.select_from(given.source, each.source)


def _when() -> list[ColumnElement[Any]]:
    return [bindparam("minute", type_=UtcTime), bindparam("worker", type_=Text())]


def _adding(dialect: str, table: Table, source: Select[Any]) -> Any:
    names = [column.name for column in table.columns]
    insert = insert_into(dialect, table).from_select(names, before_conflict(source))
    return insert.on_conflict_do_update(
        index_elements=[column.name for column in table.primary_key],
        set_={"count": table.c["count"] + insert.excluded["count"]},
    )
