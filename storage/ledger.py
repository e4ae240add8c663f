"""Ledger: the number of deliveries by outcome, and separately the number received."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import Any

import orjson
from sqlalchemy import JSON, ColumnElement, Connection, Executable, Select, Table, Text, bindparam, exists, select

from rules.outcomes import Tally
from storage.dialect import before_conflict, counts, insert_into, rowset
from storage.tables import ledger, received
from storage.types import EXACT_TEXT, UtcTime

__all__ = ["NOBODY", "add_tally", "count_received", "uncounted"]

# The worker of rows that are rolled up; no worker has an empty name.
NOBODY = ""
_domain = attrgetter("domain")


def count_received(batch: Iterable[object]) -> Counter[str]:
    """Count the deliveries of a batch by domain, before any decision about them."""
    return Counter(map(_domain, batch))


def add_tally(connection: Connection, worker: str, received_counts: Counter[str], tally: Tally, now: datetime) -> None:
    """Add the counts of a batch, by domain received and by outcome, to the minute of `now`.

    The two are counted separately: a delivery that a fault loses between them shows as a difference.
    """
    params = {
        "minute": now.replace(second=0, microsecond=0),
        "worker": worker,
        "received_counts": orjson.dumps(received_counts).decode(),
        "outcomes": orjson.dumps(_by_outcome(tally)).decode(),
    }
    for statement in _add(connection.dialect.name):
        connection.execute(statement, params)


def uncounted() -> ColumnElement[bool]:
    """Return the condition of outcomes whose worker does not count what it receives: it is of a release before 0005.

    Their deliveries count as received, so that a balance begins where counting began. Every later release writes both
    in one statement or transaction.
    """
    same = (received.c.minute == ledger.c.minute) & (received.c.worker == ledger.c.worker)
    return (ledger.c.worker != NOBODY) & ~exists(1).where(same)


def _by_outcome(tally: Tally) -> list[dict[str, Any]]:
    # A batch may hold hundreds of shops, but few domains and outcomes: only one number a shop is sent.
    grouped: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for (shop, domain, outcome), count in tally.items():
        if count:
            grouped[domain, outcome][shop] = count
    # Always in the same order: the orders' thread of this worker may write the same row for quarantined deliveries,
    # and two orders could deadlock.
    return [
        {"domain": domain, "outcome": outcome, "shops": dict(sorted(shops.items()))}
        for (domain, outcome), shops in sorted(grouped.items())
    ]


@cache
def _add(dialect: str) -> tuple[Executable, ...]:
    received_counts = _adding(dialect, received, _received_rows(dialect))
    outcomes = _adding(dialect, ledger, _outcome_rows(dialect))
    if dialect == "postgresql":
        # One statement, one round trip; SQLite has no INSERT inside WITH, and no round trips to save.
        return (outcomes.add_cte(received_counts.cte("received_counts")),)
    return received_counts, outcomes


def _received_rows(dialect: str) -> Select[Any]:
    domains = counts(dialect, bindparam("received_counts", type_=Text())).columns
    return select(*_minute_and_worker(), domains["name"], domains["count"])


def _outcome_rows(dialect: str) -> Select[Any]:
    rows = rowset(dialect, {"domain": EXACT_TEXT, "outcome": EXACT_TEXT, "shops": JSON()}, "outcomes")
    shop_counts = counts(dialect, rows.columns["shops"])
    outcome = (rows.columns[name] for name in ("domain", "outcome"))
    query = select(*_minute_and_worker(), shop_counts.columns["name"], *outcome, shop_counts.columns["count"])
    # In this order: in FROM, a table function may only refer to tables before it.
    return query.select_from(rows.source, shop_counts.source)


def _minute_and_worker() -> list[ColumnElement[Any]]:
    return [bindparam("minute", type_=UtcTime), bindparam("worker", type_=Text())]


def _adding(dialect: str, table: Table, source: Select[Any]) -> Any:
    names = [column.name for column in table.columns]
    insert = insert_into(dialect, table).from_select(names, before_conflict(source))
    return insert.on_conflict_do_update(
        index_elements=[column.name for column in table.primary_key],
        set_={"count": table.c["count"] + insert.excluded["count"]},
    )
