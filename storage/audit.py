"""Audit: every command and action with operator, time, reason and result."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, select, update
from uuid_utils import uuid7

from rules.actions import AuditContext
from rules.switches import Decision, Plan, Scope, Switch, Switches
from schemas.control import Command
from storage.errors import StorageError
from storage.fence import Fence
from storage.switches import read_switches
from storage.tables import audit

__all__ = [
    "EXPIRED_BY",
    "EXPIRED_REASON",
    "AuditEntry",
    "AuditLog",
    "OpenEntry",
    "add_count",
    "audit_begin",
    "audit_command",
    "audit_expiry",
    "audit_unreadable",
    "issue_times",
    "record_action",
]
EXPIRED_BY, EXPIRED_REASON = "comporta", "until reached"
_ANY = "*"


def audit_command(connection: Connection, command: Command, decision: Decision, after: Switches) -> None:
    """Record a command and its result."""
    _add(
        connection,
        after,
        **_said(command),
        action=command.action,
        by=command.by,
        user_id=command.user_id,
        source=command.source,
        message_id=command.message_id,
        subject=_subject(command, decision),
        result=decision.result,
        error=decision.error,
    )


def _said(command: Command) -> dict[str, Any]:
    message = command.message
    return {
        "shop": message.shop,
        "domains": list(message.domains),
        "reason": message.reason,
        "issued_at": command.issued_at,
        "until": message.until,
    }


def _subject(command: Command, decision: Decision) -> str | None:
    if command.message.begins is not None:
        return f"from {_moment(command.message.begins)}" + (", every week" if command.message.weekly else "")
    return _ends(decision)


def _ends(decision: Decision) -> str | None:
    """Return the ends that a command has changed, as `shop/domain: old → new`; None if it has changed none."""
    changes = (f"{end.shop}/{end.domain}: {_moment(end.old)} → {_moment(end.new)}" for end in decision.ends)
    return ", ".join(changes) or None


def _moment(end: datetime | None) -> str:
    return "no end" if end is None else end.isoformat(timespec="seconds").replace("+00:00", "Z")


def issue_times(connection: Connection, changes: Collection[Switch]) -> dict[Scope, datetime]:
    """Return when the commands that made the last changes of these switches were issued, where they said so.

    Not later than the change: a clock may be wrong.
    """
    entries = connection.execute(
        select(audit.c.at, audit.c.shop, audit.c.domains, audit.c.issued_at).where(
            audit.c.at.in_({switch.changed_at for switch in changes}),
            audit.c.action.in_(("pause", "resume")),
            audit.c.result != "refused",
            audit.c.issued_at.is_not(None),
        )
    ).all()
    return {
        switch.scope: min(entry.issued_at, entry.at)
        for switch in changes
        for entry in entries
        if (entry.at, entry.shop) == (switch.changed_at, switch.shop) and switch.domain in entry.domains
    }


def audit_expiry(connection: Connection, switch: Switch, after: Switches) -> None:
    """Record the end of a pause that has expired."""
    _add(
        connection,
        after,
        action="expire",
        shop=switch.shop,
        domains=[switch.domain],
        by=EXPIRED_BY,
        source="clock",
        reason=EXPIRED_REASON,
        result="on",
    )


def audit_begin(connection: Connection, switch: Switch, plan: Plan, after: Switches) -> None:
    """Record the beginning of a planned pause, or that its end has passed before it could begin."""
    _add(
        connection,
        after,
        action="begin",
        shop=switch.shop,
        domains=[switch.domain],
        by=plan.by,
        source="clock",
        reason=plan.reason,
        until=switch.until if switch.off else plan.until,
        subject=f"from {_moment(plan.begins)}",
        result="off" if switch.off else "unchanged",
        error=None if switch.off else "its end had passed before any process could begin it",
    )


def audit_unreadable(
    connection: Connection, state: Switches, *, command: Command | None = None, **columns: str | None
) -> None:
    """Record a control message that could not be parsed, or a command that was refused before a decision."""
    said = _said(command) if command is not None else {}
    _add(connection, state, result="refused", **said, **columns)


def _add(connection: Connection, state: Switches, **row: Any) -> None:
    connection.execute(audit.insert(), {"id": str(uuid7()), "at": state.now, "epoch": state.epoch, **row})


class AuditEntry(NamedTuple):
    """An action: its kind and context, the shop and the domain (None: all), and its subject."""

    action: str
    context: AuditContext
    shop: str | None = None
    domain: str | None = None
    subject: str | None = None


@dataclass
class OpenEntry:
    """An action in progress: its id in the audit, and the error that it ended with."""

    id: str
    error: str | None = None


class AuditLog:
    """The audit of actions that take more than one transaction."""

    def __init__(self, fence: Fence) -> None:
        self._fence = fence

    @contextmanager
    def open(self, entry: AuditEntry) -> Iterator[OpenEntry]:
        """Record an action before the block and its end after it.

        The entry of a process that dies in between stays `begun`, with its count so far.
        """
        with self._fence.shared() as connection:
            opened = OpenEntry(record_action(connection, entry, 0, "begun"))
        try:
            yield opened
        except BaseException as error:
            with suppress(StorageError):
                self._end(opened.id, str(error) or type(error).__name__)
            raise
        self._end(opened.id, opened.error)

    def add(self, identity: str, more: int) -> None:
        """Add to the count of an action, in a transaction of its own."""
        with self._fence.shared() as connection:
            add_count(connection, identity, more)

    def _end(self, identity: str, error: str | None) -> None:
        result_columns = {"result": "done" if error is None else "failed", "error": error}
        with self._fence.shared() as connection:
            connection.execute(update(audit).where(audit.c.id == identity).values(result_columns))


def record_action(connection: Connection, entry: AuditEntry, count: int, result: str = "done") -> str:
    """Record an action in its own transaction, and return the id of the entry."""
    state = read_switches(connection)
    identity = str(uuid7())
    row = {
        "id": identity,
        "at": state.now,
        "epoch": state.epoch,
        "action": entry.action,
        "shop": entry.shop or _ANY,
        "domains": [entry.domain or _ANY],
        "by": entry.context.by,
        "user_id": entry.context.user_id,
        "source": entry.context.source,
        "reason": entry.context.reason,
        "subject": entry.subject,
        "result": result,
        "count": count,
    }
    connection.execute(audit.insert(), row)
    return identity


def add_count(connection: Connection, identity: str, more: int) -> None:
    """Add to the count of an action, in the transaction of its change."""
    connection.execute(update(audit).where(audit.c.id == identity).values(count=audit.c["count"] + more))
