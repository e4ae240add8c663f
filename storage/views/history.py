"""History view: the last versions of keys, what became of an event, and the pause that discarded a version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, Engine, select, tuple_

from rules.outcomes import Outcome
from rules.pauses import Pause
from schemas.control import ANY
from storage.errors import translated
from storage.history_tables import history
from storage.views.pauses import read_pauses

__all__ = ["Change", "DiscardedBy", "EventOutcome", "HistoryView", "KeyName"]

KeyName = tuple[str, str, str]
_MOST_EVENTS = 100


class DiscardedBy(NamedTuple):
    """Pause that was in force when a version was discarded."""

    epoch: int
    by: str
    reason: str


class Change(NamedTuple):
    """A version of a key; `changed` has the fields that differ from the version applied before, with both values."""

    at: datetime
    version: int
    event_id: str
    outcome: str
    deleted: bool
    changed: dict[str, tuple[Any, Any]]
    pause: DiscardedBy | None

    def document(self) -> dict[str, Any]:
        """Return the version as the API shows it."""
        return {**self._asdict(), "pause": self.pause and self.pause._asdict()}


class EventOutcome(NamedTuple):
    """Outcome of an event, once for each time that it came."""

    at: datetime
    shop: str
    domain: str
    key: dict[str, Any]
    version: int
    outcome: str
    pause: DiscardedBy | None

    def document(self) -> dict[str, Any]:
        """Return the outcome as the API shows it."""
        return {**self._asdict(), "pause": self.pause and self.pause._asdict()}


class HistoryView:
    """A reader of the history."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def of_keys(self, keys: Sequence[KeyName]) -> dict[KeyName, list[Change]]:
        """Return the versions of keys (shop, domain, JSON text), newest first."""
        if not keys:
            return {}
        query = select(history).where(tuple_(history.c.shop, history.c.domain, history.c.key).in_(keys))
        with translated(), self._engine.connect() as connection:
            rows = connection.execute(query.order_by(history.c.id)).all()
            pauses = _pauses_for(connection, rows)
        by_key: dict[KeyName, list[Any]] = {}
        for row in rows:
            by_key.setdefault((row.shop, row.domain, row.key), []).append(row)
        return {key: _changes(found, pauses) for key, found in by_key.items()}

    def of_event(self, event_id: str) -> list[EventOutcome]:
        """Return what became of an event, newest first."""
        query = select(history).where(history.c.event_id == event_id).order_by(history.c.id.desc())
        with translated(), self._engine.connect() as connection:
            rows = connection.execute(query.limit(_MOST_EVENTS)).all()
            pauses = _pauses_for(connection, rows)
        return [
            EventOutcome(
                row.at, row.shop, row.domain, orjson.loads(row.key), row.version, row.outcome, _discarding(pauses, row)
            )
            for row in rows
        ]

    def discarding(self, missed: Iterable[Mapping[str, Any]]) -> list[DiscardedBy | None]:
        """Return the pause that discarded the version of each missed key; None if the audit has none."""
        rows = list(missed)
        if not rows:
            return []
        with translated(), self._engine.connect() as connection:
            pauses = read_pauses(connection)
        return [_over(pauses, row["shop"], row["domain"], row["discarded_at"]) for row in rows]


def _pauses_for(connection: Connection, rows: Iterable[Any]) -> list[Pause]:
    return read_pauses(connection) if any(row.outcome == Outcome.DISCARDED.value for row in rows) else []


def _changes(rows: Sequence[Any], pauses: Sequence[Pause]) -> list[Change]:
    found: list[Change] = []
    before: dict[str, Any] | None = None
    for row in rows:
        state = None if row.state is None else orjson.loads(row.state)
        changed = {} if state is None or before is None else _differing(before, state)
        found.append(
            Change(row.at, row.version, row.event_id, row.outcome, row.deleted, changed, _discarding(pauses, row))
        )
        if row.outcome == Outcome.APPLIED.value:
            before = state
    return found[::-1]


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    names = [*after, *(name for name in before if name not in after)]
    return {name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}


def _discarding(pauses: Iterable[Pause], row: Any) -> DiscardedBy | None:
    return _over(pauses, row.shop, row.domain, row.at) if row.outcome == Outcome.DISCARDED.value else None


def _over(pauses: Iterable[Pause], shop: str, domain: str, at: datetime) -> DiscardedBy | None:
    """Return the first pause over a shop and domain that was in force at a time."""
    for pause in pauses:
        for paused in pause.scopes:
            covers = paused.scope[0] in (ANY, shop) and paused.scope[1] in (ANY, domain)
            if covers and pause.began.at <= at and (paused.ended is None or at <= paused.ended.at):
                return DiscardedBy(pause.began.epoch, pause.began.by, pause.began.reason or "")
    return None
