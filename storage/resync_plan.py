"""Plan of a resync after a resume: scopes with open repair sheets, what is unanswered, and the keys that are next."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, func, or_, select

from rules.actions import AuditContext
from rules.resync import MOST_ASKED
from rules.switches import Scope
from storage.audit import EXPIRED_BY, AuditEntry, add_count, record_action
from storage.dialect import database_now
from storage.fence import Fence
from storage.missed import Piece
from storage.missed_index import is_narrow, key_place
from storage.relay_leases import RelayLease
from storage.switches import read_switches
from storage.tables import missed, repair_lines, repairs

__all__ = ["BY", "OpenScope", "ResyncPlan", "Unanswered"]

BY = EXPIRED_BY


class OpenScope(NamedTuple):
    """A shop and domain with a repair sheet that is not done, and the time of its last resume."""

    shop: str
    domain: str
    resumed_at: datetime


class Unanswered(NamedTuple):
    """The number of keys that the ERP was asked for and has not answered, and the seconds since the oldest request."""

    number: int
    oldest_seconds: float


class ResyncPlan:
    """The open scopes as one worker at a time sees them; a key is due again after the time `after`."""

    def __init__(self, fence: Fence, worker: str, after: timedelta) -> None:
        self._fence = fence
        self._after = after
        self._lease = RelayLease("resync", worker)

    def scopes(self) -> list[OpenScope]:
        """Return the open scopes that no switch holds off; takes no lock."""
        query = (
            select(repair_lines.c.shop, repair_lines.c.domain, func.max(repairs.c.at, type_=repairs.c.at.type))
            .join(repairs, repairs.c.epoch == repair_lines.c.epoch)
            .where(repairs.c.done_at.is_(None), repair_lines.c.missed > 0)
            .group_by(repair_lines.c.shop, repair_lines.c.domain)
            .order_by(repair_lines.c.shop, repair_lines.c.domain)
        )
        with self._fence.snapshot() as connection:
            state = read_switches(connection)
            found = [OpenScope(*row) for row in connection.execute(query)]
        return [scope for scope in found if not state.stops(scope.shop, scope.domain)]

    def claim(self) -> bool:
        """Take or renew the lease; return False if another worker asks."""
        return self._lease.claim(self._fence)

    def release(self) -> None:
        """End the lease, if this worker has it."""
        self._lease.release(self._fence)

    def is_on(self, scope: Scope) -> bool:
        """Return whether no switch holds a scope off now."""
        with self._fence.snapshot() as connection:
            return not read_switches(connection).stops(*scope)

    def unanswered(self, scope: OpenScope) -> Unanswered:
        """Return what the ERP has not answered since the resume, of requests that are not due again."""
        oldest: Any = func.min(missed.c.asked_at, type_=missed.c.asked_at.type)
        with self._fence.snapshot() as connection:
            now = database_now(connection)
            waits = missed.c.asked_at > self._due_before(scope, now)
            number, since = connection.execute(select(func.count(), oldest).where(*_of(scope), waits)).one()
        return Unanswered(number, 0.0 if since is None else max(0.0, (now - since).total_seconds()))

    def next_keys(self, scope: OpenScope, limit: int) -> Piece | None:
        """Return some keys of a scope that were missed at its resume and are due, None if there is none."""
        with self._fence.snapshot() as connection:
            before = self._due_before(scope, database_now(connection))
            due = or_(missed.c.asked_at.is_(None), missed.c.asked_at <= before)
            seldom = func.coalesce(missed.c.asked_count, 0) < MOST_ASKED
            query = select(missed.c.key).where(*_of(scope), missed.c.discarded_at <= scope.resumed_at, due, seldom)
            place = key_place(narrow=is_narrow(connection))
            keys = tuple(connection.scalars(query.order_by(place).limit(limit)))
        return Piece(scope.shop, scope.domain, keys) if keys else None

    def begin(self, scope: OpenScope) -> str:
        """Record in the audit that a scope's keys are asked for; return the id of the entry."""
        reason = f"RESYNC_ON_RESUME, after the resume of {scope.resumed_at.isoformat(timespec='seconds')}"
        entry = AuditEntry("resync", AuditContext(BY, "clock", reason), scope.shop, scope.domain)
        with self._fence.shared() as connection:
            return record_action(connection, entry, 0)

    def count(self, audit_id: str, number: int) -> None:
        """Add confirmed keys to an entry of the audit."""
        with self._fence.shared() as connection:
            add_count(connection, audit_id, number)

    def _due_before(self, scope: OpenScope, now: datetime) -> datetime:
        # The answers to what was asked for before a pause were discarded in it.
        return max(now - self._after, scope.resumed_at)


def _of(scope: OpenScope) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return missed.c.domain == scope.domain, missed.c.shop == scope.shop
