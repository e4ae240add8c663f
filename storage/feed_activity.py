"""Feed activity: each feed's last delivery, the distances of its events, and the minutes in which it sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, select
from sqlalchemy.types import TypeEngine

from rules.feeds import Distances
from rules.switches import Scope
from schemas.domains import DOMAINS
from storage.dialect import before_conflict, database_now, dump_rows, insert_into, rowset
from storage.fence import Fence
from storage.health_tables import feed_activity, feed_hours

__all__ = ["FeedActivity"]

# A silence is compared with the four weeks before it, and may itself last for one.
_RETENTION = timedelta(days=36)
_PRUNE_EVERY = timedelta(hours=1)
_ACTIVITY = tuple(column.name for column in feed_activity.columns)
_HOURS = tuple(column.name for column in feed_hours.columns)


class FeedActivity:
    """The activity that one worker records: a statement for all feeds, and a further one in a feed's new minute."""

    def __init__(self, fence: Fence) -> None:
        self._fence = fence
        self._minutes: dict[Scope, datetime] = {}
        self._pruned: datetime | None = None

    def record(self, ages: Mapping[Scope, float], distances: Mapping[Scope, Distances]) -> None:
        """Record the seconds since each feed's last delivery, and the distances of its events."""
        with self._fence.shared() as connection:
            now = database_now(connection)
            times = {scope: now - timedelta(seconds=age) for scope, age in sorted(ages.items())}
            _write(connection, feed_activity, (_activity(scope, at, distances) for scope, at in times.items()))
            minutes = {scope: at.replace(second=0, microsecond=0) for scope, at in times.items()}
            new = {scope: minute for scope, minute in minutes.items() if self._is_new(scope, minute)}
            _write(connection, feed_hours, (_hour(scope, minute) for scope, minute in new.items()))
            prune = self._pruned is None or now - self._pruned > _PRUNE_EVERY
            if prune:
                connection.execute(feed_hours.delete().where(feed_hours.c.hour < now - _RETENTION))
        self._minutes.update(new)
        if prune:
            self._pruned = now

    def _is_new(self, scope: Scope, minute: datetime) -> bool:
        # Orders and receipts belong to no feed of the ERP.
        return scope[1] in DOMAINS and self._minutes.get(scope) != minute


def _activity(scope: Scope, at: datetime, distances: Mapping[Scope, Distances]) -> dict[str, Any]:
    row: dict[str, Any] = {"shop": scope[0], "domain": scope[1], "last_at": at}
    found = distances.get(scope)
    if found is None:
        return row
    return row | {
        "event_at": datetime.fromtimestamp(found.newest, UTC),
        "minute": at.replace(second=0, microsecond=0),
        "behind_least": found.least,
        "behind_most": found.most,
        "behind_sum": found.total,
        "measured": found.measured,
    }


def _hour(scope: Scope, minute: datetime) -> dict[str, Any]:
    return {"shop": scope[0], "domain": scope[1], "hour": minute.replace(minute=0), "minutes": 1 << minute.minute}


def _write(connection: Connection, table: Any, rows: Iterable[Mapping[str, Any]]) -> None:
    listed = list(rows)
    if listed:
        dialect = connection.dialect.name
        connection.execute(_upserts(dialect)[table.name], {"rows": dump_rows(dialect, listed)})


@cache
def _upserts(dialect: str) -> dict[str, Any]:
    return {"feed_activity": _upsert_activity(dialect), "feed_hours": _upsert_hours(dialect)}


def _upsert_activity(dialect: str) -> Any:
    old, insert = feed_activity.c, _inserted(dialect, feed_activity, _ACTIVITY)
    new = insert.excluded
    measured = new.measured.is_not(None)
    anew = old.minute.is_(None) | (new.minute > old.minute)

    def joined(name: str, both: ColumnElement[Any]) -> ColumnElement[Any]:
        return case((measured & anew, new[name]), (measured, both), else_=old[name])

    return insert.on_conflict_do_update(
        index_elements=["shop", "domain"],
        set_={
            "last_at": case((new.last_at > old.last_at, new.last_at), else_=old.last_at),
            "event_at": case(
                (old.event_at.is_(None) | (new.event_at > old.event_at), new.event_at), else_=old.event_at
            ),
            "minute": joined("minute", old.minute),
            "behind_least": joined("behind_least", _lower(new.behind_least, old.behind_least)),
            "behind_most": joined("behind_most", -_lower(-new.behind_most, -old.behind_most)),
            "behind_sum": joined("behind_sum", old.behind_sum + new.behind_sum),
            "measured": joined("measured", old.measured + new.measured),
        },
    )


def _upsert_hours(dialect: str) -> Any:
    insert = _inserted(dialect, feed_hours, _HOURS)
    return insert.on_conflict_do_update(
        index_elements=["shop", "domain", "hour"],
        set_={"minutes": feed_hours.c.minutes.bitwise_or(insert.excluded.minutes)},
    )


def _inserted(dialect: str, table: Any, names: tuple[str, ...]) -> Any:
    types: dict[str, TypeEngine[Any]] = {name: table.c[name].type for name in names}
    rows = rowset(dialect, types)
    source = select(*(rows.columns[name] for name in names)).select_from(rows.source)
    return insert_into(dialect, table).from_select(list(names), before_conflict(source))


def _lower(one: ColumnElement[Any], other: ColumnElement[Any]) -> ColumnElement[Any]:
    return case((one < other, one), else_=other)
