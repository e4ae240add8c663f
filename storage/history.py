"""History of keys: the last versions of each, with their outcomes, written in the transaction of their batch.

Customers are left out, so that personal data is kept, and erased, at one place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import orjson
from sqlalchemy import Connection, Executable, Integer, and_, bindparam, delete, func, insert, select
from uuid_utils import uuid7

from rules.outcomes import Outcome, RejectedDelivery
from schemas.domains import DOMAINS
from schemas.events import ChangeEvent
from schemas.full_load import LoadMessage
from storage.dialect import dump_rows, rowset
from storage.entities import key_text
from storage.history_tables import history
from storage.types import UtcTime

__all__ = ["record_history"]

_LEFT_OUT = "customers"
_FROM_ROWS = ("id", "shop", "domain", "key", "version", "event_id", "outcome", "deleted", "state")
_DELETE = delete(history).where(history.c.id.in_(bindparam("ids", expanding=True)))
Item = ChangeEvent | LoadMessage | RejectedDelivery


def record_history(
    connection: Connection, batch: Sequence[Item], results: Sequence[Outcome], now: datetime, keep: int
) -> None:
    """Add the versions of a batch, and delete all but the last `keep` of each of its keys.

    Superseded versions are counted apart: repeats would push the changes out.
    """
    rows = list(_rows(batch, results))
    if not rows:
        return
    dialect = connection.dialect.name
    connection.execute(_insert(dialect), {"rows": dump_rows(dialect, rows), "now": now})
    keys = {(row["shop"], row["domain"], row["key"]) for row in rows}
    named = [{"shop": shop, "domain": domain, "key": key} for shop, domain, key in sorted(keys)]
    old = list(connection.scalars(_surplus(dialect), {"rows": dump_rows(dialect, named), "keep": keep}))
    if old:
        connection.execute(_DELETE, {"ids": old})


def _rows(batch: Sequence[Item], results: Sequence[Outcome]) -> Iterator[dict[str, Any]]:
    for event, outcome in zip(batch, results, strict=True):
        if not isinstance(event, ChangeEvent) or outcome is Outcome.QUARANTINED or event.domain == _LEFT_OUT:
            continue
        yield {
            "id": str(uuid7()),
            "shop": event.shop,
            "domain": event.domain,
            "key": key_text(event.domain, event.key),
            "version": event.version,
            "event_id": event.event_id,
            "outcome": outcome.value,
            "deleted": event.deleted,
            "state": None if event.deleted or outcome is Outcome.SUPERSEDED else _state(event),
        }


def _state(event: ChangeEvent) -> str:
    keys = DOMAINS[event.domain].key_fields
    fields = {name: value for name, value in event.data.__dict__.items() if name not in keys}
    return orjson.dumps(fields, default=str, option=orjson.OPT_UTC_Z).decode()


@cache
def _insert(dialect: str) -> Executable:
    source = rowset(dialect, {name: history.c[name].type for name in _FROM_ROWS})
    values = select(*source.columns.values(), bindparam("now", type_=UtcTime())).select_from(source.source)
    return insert(history).from_select([*_FROM_ROWS, "at"], values)


@cache
def _surplus(dialect: str) -> Executable:
    """Return the query for the ids of all but the last versions of some keys; each key is read by the index."""
    names = ("shop", "domain", "key")
    source = rowset(dialect, {name: history.c[name].type for name in names})
    repeat = history.c.outcome == Outcome.SUPERSEDED.value
    place = func.row_number().over(
        partition_by=(*(history.c[name] for name in names), repeat), order_by=history.c.id.desc()
    )
    same = and_(*(history.c[name] == source.columns[name] for name in names))
    placed = select(history.c.id, place.label("place")).select_from(source.source.join(history, same)).subquery()
    return select(placed.c.id).where(placed.c.place > bindparam("keep", type_=Integer()))
