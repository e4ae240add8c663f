"""Repeated events: those whose key, version and id are in their table already, with the same content or another one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from pydantic import BaseModel
from sqlalchemy import Connection, Executable, Integer, and_, select
from sqlalchemy.types import TypeEngine

from rules.outcomes import Plan
from schemas.domains import DOMAINS
from schemas.events import ChangeEvent
from schemas.fields import Column
from storage.dialect import dump_rows, rowset
from storage.entities import differs, matching, row_of
from storage.entity_tables import ENTITY_TABLES

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
    json_names = _json_names(domain)
    changed = {
        row.position: bool(row.changed)
        or any(row._mapping[name] != _plain(events[row.position].data.__dict__[name]) for name in json_names)
        for row in result
    }
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
    """Refuse what has the version and id of its row and other content; leave out what its row is from.

    What was refused because it contradicts an event before it in the batch, and says what its row says, is right.
    """
    contradicted = plan.contradicted
    for domain, events in plan.apply.items():
        if suspects := [event for event in contradicted if event.domain == domain]:
            plan.readmit(read_repeats(connection, domain, suspects).same)
        repeats = read_repeats(connection, domain, events)
        plan.refuse_changed(repeats.changed)
        plan.apply[domain] = repeats.others


def _json_names(domain: str) -> list[str]:
    """Return the fields that are lists and maps: SQLite stores them as text, in which members have an order."""
    return [name for name, kind in DOMAINS[domain].columns.items() if kind is Column.JSON]


def _plain(value: Any) -> Any:
    """Return a list or a map of the data as it is read from its column."""
    if isinstance(value, BaseModel):
        return value.__dict__
    return [_plain(item) for item in value] if isinstance(value, list) else value


@cache
def _repeated(dialect: str, domain: str) -> Executable:
    table = ENTITY_TABLES[domain]
    stored = {column.name: column.type for column in table.columns if column.name != "applied_at"}
    types: dict[str, TypeEngine[Any]] = {"position": Integer(), **stored}
    rows = rowset(dialect, types)
    columns = rows.columns
    json_names = _json_names(domain)
    names = [name for name in DOMAINS[domain].columns if name not in (*DOMAINS[domain].key_fields, *json_names)]
    same_stamp = (table.c.version == columns["version"]) & (table.c.event_id == columns["event_id"])
    return (
        select(
            columns["position"].label("position"),
            differs(names, table.c, columns).label("changed"),
            *(table.c[name] for name in json_names),
        )
        .select_from(rows.source.join(table, and_(*matching(table, rows, DOMAINS[domain].key_fields))))
        .where(same_stamp)
    )
