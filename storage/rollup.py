"""Roll-up of the ledger: old minutes become hours, old hours days; the worker is dropped, and no sum changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Literal, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Executable,
    Select,
    Table,
    delete,
    exists,
    func,
    literal,
    select,
    tuple_,
)
from sqlalchemy.types import TypeEngine

from storage.dialect import before_conflict, dump_rows, insert_into, rowset
from storage.ledger import NOBODY, uncounted
from storage.tables import ledger, received
from storage.types import UtcTime

__all__ = [
    "ROLL_UPS",
    "RollUp",
    "Unit",
    "count_uncounted",
    "count_unrolled",
    "has_uncounted",
    "roll_up",
    "unrolled_rows",
]

Unit = Literal["hour", "day"]
_LENGTH: dict[Unit, timedelta] = {"hour": timedelta(hours=1), "day": timedelta(days=1)}


class RollUp(NamedTuple):
    """One table's rows that become hours, or days."""

    table: Table
    unit: Unit

    @property
    def name(self) -> str:
        """Return the name under which the position is kept."""
        return f"{self.table.name} by {self.unit}"

    def start(self, moment: datetime) -> datetime:
        """Return the start of the hour or the day of a moment, in UTC."""
        start = moment.replace(minute=0, second=0, microsecond=0)
        return start if self.unit == "hour" else start.replace(hour=0)


# Hours before days: what is old enough for both passes through both.
ROLL_UPS = tuple(RollUp(table, unit) for unit in ("hour", "day") for table in (ledger, received))
Row = Any


def unrolled_rows(connection: Connection, roll: RollUp, after: datetime, until: datetime, limit: int) -> Sequence[Row]:
    """Return the keys of the next rows of a range that are not rolled up yet, in the order of the primary key."""
    keys = list(roll.table.primary_key)
    query = select(*keys).where(*_unrolled(connection.dialect.name, roll, after, until))
    return connection.execute(query.order_by(*keys).limit(limit)).all()


def count_unrolled(connection: Connection, roll: RollUp, after: datetime, until: datetime) -> int:
    """Count the rows of a range that are not rolled up yet."""
    query: Select[Any] = select(func.count()).select_from(roll.table)
    return connection.scalar(query.where(*_unrolled(connection.dialect.name, roll, after, until))) or 0


def has_uncounted(connection: Connection, roll: RollUp, after: datetime, until: datetime) -> bool:
    """Return whether a range has outcomes that nobody has counted as received."""
    if roll.table is not ledger or roll.unit != "hour":
        return False
    return bool(connection.scalar(select(exists(1).where(*_within(after, until)))))


def count_uncounted(connection: Connection, after: datetime, until: datetime) -> int:
    """Count the outcomes of a range as received where nobody has: once the worker is dropped it could not be told."""
    columns = ledger.c.minute, ledger.c.worker, ledger.c.domain
    query = select(*columns, func.sum(ledger.c["count"])).where(*_within(after, until))
    names = [*(column.name for column in columns), "count"]
    rows = query.group_by(*columns).order_by(*columns)
    return connection.execute(received.insert().from_select(names, rows)).rowcount


def _within(after: datetime, until: datetime) -> tuple[ColumnElement[bool], ...]:
    return ledger.c.minute >= after, ledger.c.minute < until, uncounted()


def roll_up(connection: Connection, roll: RollUp, rows: Sequence[Row]) -> int:
    """Replace these rows by their sums, in the caller's transaction; return the number of rows that went.

    Only what this deletes is added: of two processes, or after a kill, each row is counted once.
    """
    table, dialect = roll.table, connection.dialect.name
    keys = list(table.primary_key)
    names = [str(key.name) for key in keys]
    # The rows are the next ones in the key's order: they are all that lie between the first and the last.
    within = [tuple_(*keys) >= tuple_(*_bound(keys, rows[0])), tuple_(*keys) <= tuple_(*_bound(keys, rows[-1]))]
    condition = _unrolled(dialect, roll, rows[0].minute, rows[-1].minute + timedelta(minutes=1))
    gone = connection.execute(delete(table).where(*within, *condition).returning(*keys, table.c["count"])).all()
    sums: Counter[tuple[Any, ...]] = Counter()
    for *key, count in gone:
        values = dict(zip(names, key, strict=True))
        sums[tuple({**values, "minute": roll.start(values["minute"]), "worker": NOBODY}.values())] += count
    # In the order of the key, as batches write.
    summed = [{**dict(zip(names, key, strict=True)), "count": count} for key, count in sorted(sums.items())]
    connection.execute(_add(dialect, table), {"rows": dump_rows(dialect, summed)})
    return len(gone)


def _bound(keys: Sequence[Any], row: Row) -> list[Any]:
    return [literal(value, key.type) for key, value in zip(keys, row, strict=True)]


def _unrolled(dialect: str, roll: RollUp, after: datetime, until: datetime) -> tuple[ColumnElement[bool], ...]:
    minute, worker = roll.table.c.minute, roll.table.c.worker
    within = (minute >= after, minute < until)
    if roll.unit == "hour":
        return *within, worker != NOBODY
    # The first hour of a day stands where the day does, and takes the others in.
    if dialect == "postgresql":
        return *within, worker == NOBODY, minute != func.date_trunc("day", minute, type_=UtcTime())
    return *within, worker == NOBODY, func.substr(minute, 12) != "00:00:00.000000Z"


@cache
def _add(dialect: str, table: Table) -> Executable:
    types: dict[str, TypeEngine[Any]] = {column.name: column.type for column in table.columns}
    rows = rowset(dialect, types)
    source = select(*(rows.columns[name] for name in types)).select_from(rows.source)
    insert: Any = insert_into(dialect, table).from_select(list(types), before_conflict(source))
    statement: Executable = insert.on_conflict_do_update(
        index_elements=[column.name for column in table.primary_key],
        set_={"count": table.c["count"] + insert.excluded["count"]},
    )
    return statement
