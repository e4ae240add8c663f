"""Background replays and drops in the database: begun, claimed by one process, noted, cancelled, and ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

import orjson
from sqlalchemy import Connection, delete, func, or_, select, update
from uuid_utils import uuid7

from storage.audit import AuditEntry, record_action
from storage.dialect import database_now, insert_into
from storage.fence import Fence
from storage.job_tables import quarantine_job_items, quarantine_jobs
from storage.quarantine import Selection
from storage.tables import audit, quarantine
from storage.views import QuarantineFilter

__all__ = ["Job", "JobStore", "QuarantineAction"]

QuarantineAction = Literal["replay", "drop"]
_OPEN = ("running", "canary")
_LEASE = timedelta(seconds=60)
_KEEP = timedelta(days=7)
_SHOWN = 10
_TIMES = ("since", "until")
_ANY_OPEN = select(quarantine_jobs.c.id).where(quarantine_jobs.c.state.in_(_OPEN)).limit(1)


class Job(NamedTuple):
    """A replay or drop of many messages; `came_back` counts those that were refused again after its beginning."""

    id: str
    action: QuarantineAction
    state: str
    filter: QuarantineFilter
    title: str
    through: str
    after: str
    chosen: int
    done: int
    staying: int
    canary: bool
    discard: bool
    by: str
    reason: str | None
    error: str | None
    audit_id: str
    at: datetime
    settles_at: datetime | None
    ended_at: datetime | None
    came_back: int

    @property
    def is_open(self) -> bool:
        """Return whether it goes on."""
        return self.state in _OPEN

    def document(self) -> dict[str, Any]:
        """Return the job as the API shows it."""
        names = ("id", "action", "state", "title", "chosen", "done", "staying", "came_back", "by", "reason", "error")
        return {name: getattr(self, name) for name in (*names, "at", "ended_at")}


class JobStore:
    """The background replays and drops."""

    def __init__(self, fence: Fence, lease: timedelta = _LEASE) -> None:
        self._fence = fence
        self._lease = lease

    def begin(
        self,
        action: QuarantineAction,
        entry: AuditEntry,
        filter: QuarantineFilter,
        selection: Selection,
        *,
        canary: bool,
        discard: bool,
    ) -> str:
        """Begin a job, with its entry in the audit; return its id."""
        identity = str(uuid7())
        with self._fence.shared() as connection:
            now = database_now(connection)
            audit_id = record_action(connection, entry, 0, "begun")
            row: dict[str, Any] = {"id": identity, "action": action, "state": "running", "filter": _dumped(filter)}
            row |= {"title": str(filter), "through": selection.through, "after": "", "chosen": selection.number}
            row |= {"done": 0, "staying": 0, "canary": canary, "discard": discard, "audit_id": audit_id, "at": now}
            row |= {"by": entry.context.user_id or entry.context.by, "reason": entry.context.reason}
            connection.execute(quarantine_jobs.insert(), row)
            _prune(connection, now)
        return identity

    def claim(self, holder: str) -> Job | None:
        """Take or renew the lease of the oldest open job that no other process has; None if there is none."""
        table = quarantine_jobs
        with self._fence.glance() as connection:
            if connection.scalar(_ANY_OPEN) is None:
                return None
        with self._fence.shared() as connection:
            now = database_now(connection)
            free = or_(table.c.holder == holder, table.c.lease_until.is_(None), table.c.lease_until <= now)
            open_jobs = select(table.c.id).where(table.c.state.in_(_OPEN), free).order_by(table.c.id).limit(1)
            identity = connection.scalar(open_jobs.with_for_update(skip_locked=True))
            if identity is None:
                return None
            lease = {"holder": holder, "lease_until": now + self._lease}
            connection.execute(update(table).where(table.c.id == identity).values(**lease))
            return _jobs(connection, table.c.id == identity)[0]

    def remember(self, job: Job, ids: Sequence[str]) -> None:
        """Note the messages that are about to be published, by their digest."""
        items = quarantine_job_items
        source = select(quarantine.c.digest).where(quarantine.c.id.in_(ids)).distinct()
        with self._fence.shared() as connection:
            rows = [{"job": job.id, "digest": digest} for digest in connection.scalars(source)]
            if rows:
                connection.execute(insert_into(connection.dialect.name, items).on_conflict_do_nothing(), rows)

    def note(self, job: Job, *, done: int = 0, staying: int = 0, after: str | None = None) -> None:
        """Add to the numbers of a job, and note the last message that was tried."""
        table = quarantine_jobs
        values: dict[str, Any] = {"done": table.c.done + done, "staying": table.c.staying + staying}
        values |= {} if after is None else {"after": after}
        with self._fence.shared() as connection:
            connection.execute(update(table).where(table.c.id == job.id).values(**values))

    def canary(self, job: Job, wait: timedelta) -> None:
        """Let a job wait for what becomes of the first messages, unless it was cancelled."""
        with self._fence.shared() as connection:
            running = (quarantine_jobs.c.id == job.id, quarantine_jobs.c.state == "running")
            values = {"state": "canary", "canary": False, "settles_at": database_now(connection) + wait}
            connection.execute(update(quarantine_jobs).where(*running).values(**values))

    def go_on(self, job: Job) -> bool:
        """Let a job that has waited long enough go on; return whether it does."""
        with self._fence.shared() as connection:
            waited = (
                quarantine_jobs.c.id == job.id,
                quarantine_jobs.c.state == "canary",
                quarantine_jobs.c.settles_at <= database_now(connection),
            )
            return connection.execute(update(quarantine_jobs).where(*waited).values(state="running")).rowcount > 0

    def end(self, identity: str, state: Literal["done", "stopped", "cancelled"], error: str | None = None) -> bool:
        """End a job that is open, and its entry in the audit; return whether it was open."""
        table = quarantine_jobs
        with self._fence.shared() as connection:
            values = {"state": state, "error": error, "ended_at": database_now(connection), "lease_until": None}
            ending = update(table).where(table.c.id == identity, table.c.state.in_(_OPEN)).values(**values)
            audit_id = connection.scalar(ending.returning(table.c.audit_id))
            if audit_id is not None:
                result = {"result": "failed" if state == "stopped" else "done", "error": error}
                result |= {"error": "cancelled"} if state == "cancelled" else {}
                connection.execute(update(audit).where(audit.c.id == audit_id).values(**result))
        return audit_id is not None

    def newest(self) -> list[Job]:
        """Return the newest jobs first."""
        with self._fence.snapshot() as connection:
            return _jobs(connection)

    def one(self, identity: str) -> Job | None:
        """Return a job; None if there is none with this id."""
        with self._fence.snapshot() as connection:
            return next(iter(_jobs(connection, quarantine_jobs.c.id == identity)), None)


def _jobs(connection: Connection, *where: Any) -> list[Job]:
    table, items = quarantine_jobs, quarantine_job_items
    again = (
        select(func.count())
        .select_from(items.join(quarantine, quarantine.c.digest == items.c.digest))
        .where(items.c.job == table.c.id, quarantine.c["at"] > table.c["at"])
        .correlate(table)
    )
    names = [name for name in Job._fields if name != "came_back"]
    query = select(*(table.c[name] for name in names), again.scalar_subquery().label("came_back")).where(*where)
    rows = connection.execute(query.order_by(table.c.id.desc()).limit(_SHOWN))
    return [Job(**{**row._mapping, "filter": _loaded(row.filter)}) for row in rows]


def _prune(connection: Connection, now: datetime) -> None:
    old = select(quarantine_jobs.c.id).where(quarantine_jobs.c.ended_at < now - _KEEP)
    connection.execute(delete(quarantine_job_items).where(quarantine_job_items.c.job.in_(old)))
    connection.execute(delete(quarantine_jobs).where(quarantine_jobs.c.ended_at < now - _KEEP))


def _dumped(filter: QuarantineFilter) -> dict[str, Any]:
    fields = {name: value for name, value in asdict(filter).items() if value is not None}
    document: dict[str, Any] = orjson.loads(orjson.dumps(fields, option=orjson.OPT_UTC_Z))
    return document


def _loaded(fields: dict[str, Any]) -> QuarantineFilter:
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()
    }
    values |= {name: datetime.fromisoformat(values[name]) for name in _TIMES if name in values}
    return QuarantineFilter(**values)
