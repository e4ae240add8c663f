"""Repeated events: those whose key, version and id are in their table already, with the same content or another one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Executable, Integer, and_, select
from sqlalchemy.types import TypeEngine

from rules.outcomes import Plan
from schemas.domains import DOMAINS
from schemas.events import ChangeEvent
from storage.dialect import dump_rows, rowset
from storage.entities import differs, matching, row_of
from storage.tables import ENTITY_TABLES

__all__ = ["Repeats", "read_repeats", "take_repeats"]


class Repeats(NamedTuple):
    """The events that their rows are from (`same`), those that only pretend to be (`changed`), and all others."""

    same: list[ChangeEvent]
    changed: list[ChangeEvent]
    others: list[ChangeEvent]


def read_repeats(connection: Connection, domain: str, events: Sequence[ChangeEvent]) -> Repeats:
    """Compare events with the rows of their keys; only reads."""
    dialect = connection.dialect.name
    rows = ({**row_of(event), "position": position} for position, event in enumerate(events))
    result = connection.execute(_repeated(dialect, domain), {"rows": dump_rows(dialect, rows)})
    changed = {row.position: bool(row.changed) for row in result}
    repeats = Repeats([], [], [])
    for position, event in enumerate(events):
        match changed.get(position):
            case None:
                repeats.others.append(event)
            case True:
                repeats.changed.append(event)
            case False:
                repeats.same.append(event)
    return repeats


def take_repeats(connection: Connection, plan: Plan) -> None:
    """Refuse what has the version and id of its row and other content; leave out what its row is from."""
    for domain, events in plan.apply.items():
        repeats = read_repeats(connection, domain, events)
        plan.refuse_changed(repeats.changed)
        plan.apply[domain] = repeats.others


@cache
def _repeated(dialect: str, domain: str) -> Executable:
    table = ENTITY_TABLES[domain]
    stored = {column.name: column.type for column in table.columns if column.name != "applied_at"}
    types: dict[str, TypeEngine[Any]] = {"position": Integer(), **stored}
    rows = rowset(dialect, types)
    columns = rows.columns
    same_stamp = (table.c.version == columns["version"]) & (table.c.event_id == columns["event_id"])
    return (
        select(columns["position"].label("position"), differs(domain, table.c, columns).label("changed"))
        .select_from(rows.source.join(table, and_(*matching(table, rows, DOMAINS[domain].key_fields))))
        .where(same_stamp)
    )
