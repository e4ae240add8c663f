"""The ledger: how many deliveries came to which outcome, by minute, worker, shop and domain."""

from __future__ import annotations

from datetime import datetime
from functools import cache

from sqlalchemy import Connection, Executable, select

from rules.outcomes import Tally
from storage.entities import insert_into
from storage.rowset import before_conflict, dump_rows, rowset
from storage.tables import ledger, shops

__all__ = ["add_shops", "add_tally"]


def add_tally(connection: Connection, worker: str, tally: Tally, now: datetime) -> None:
    """Adds a batch's counts to the minute of `now`."""
    minute = now.replace(second=0, microsecond=0)
    dialect = connection.dialect.name
    rows = (
        {"minute": minute, "worker": worker, "shop": shop, "domain": domain, "outcome": outcome, "count": count}
        for (shop, domain, outcome), count in sorted(tally.items())
        if count
    )
    connection.execute(_add(dialect), {"rows": dump_rows(dialect, rows)})


def add_shops(connection: Connection, found: set[str], now: datetime) -> None:
    """Remembers shops that are heard of for the first time."""
    statement = insert_into(connection.dialect.name, shops).on_conflict_do_nothing()
    connection.execute(statement, [{"shop": shop, "first_seen": now} for shop in sorted(found)])


@cache
def _add(dialect: str) -> Executable:
    names = [column.name for column in ledger.columns]
    given = rowset(dialect, {column.name: column.type for column in ledger.columns})
    source = before_conflict(select(*(given.columns[name] for name in names)))
    insert = insert_into(dialect, ledger).from_select(names, source)
    return insert.on_conflict_do_update(  # type: ignore[no-any-return]
        index_elements=[column.name for column in ledger.primary_key],
        set_={"count": ledger.c["count"] + insert.excluded["count"]},
    )
