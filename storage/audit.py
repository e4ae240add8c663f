"""The audit: who asked what of the switches, when and why, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, update
from uuid_utils import uuid7

from rules.actions import AuditContext
from rules.switches import Decision, Switch, Switches
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
    "audit_command",
    "audit_expiry",
    "audit_unreadable",
    "record_action",
]
EXPIRED_BY, EXPIRED_REASON = "comporta", "until reached"
_ANY = "*"


def audit_command(connection: Connection, command: Command, decision: Decision, after: Switches) -> None:
    """Notes a command and its result."""
    message = command.message
    _add(
        connection,
        after,
        action=command.action,
        shop=message.shop,
        domains=list(message.domains),
        by=command.by,
        user_id=command.user_id,
        source=command.source,
        reason=message.reason,
        message_id=command.message_id,
        issued_at=command.issued_at,
        until=message.until,
        result=decision.result,
        error=decision.error,
    )


def audit_expiry(connection: Connection, switch: Switch, after: Switches) -> None:
    """Notes a pause that has ended by itself."""
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


def audit_unreadable(connection: Connection, state: Switches, **said: str | None) -> None:
    """Notes a control message that could not be read."""
    _add(connection, state, result="refused", **said)


def _add(connection: Connection, state: Switches, **row: Any) -> None:
    connection.execute(audit.insert(), {"id": str(uuid7()), "at": state.now, "epoch": state.epoch, **row})


class AuditEntry(NamedTuple):
    """One act: its kind, who asks, the shop and the domain (None: all), and what it is about."""

    action: str
    asked: AuditContext
    shop: str | None = None
    domain: str | None = None
    subject: str | None = None


@dataclass
class OpenEntry:
    """An act that is being done: its id in the audit, and the error that it ended with."""

    id: str
    error: str | None = None


class AuditLog:
    """The audit of acts that take more than one transaction."""

    def __init__(self, fence: Fence) -> None:
        self._fence = fence

    @contextmanager
    def noted(self, act: AuditEntry) -> Iterator[OpenEntry]:
        """Notes an act before the block and its end after it; one whose process dies stays `begun`, with its count."""
        with self._fence.shared() as connection:
            noted = OpenEntry(record_action(connection, act, 0, "begun"))
        try:
            yield noted
        except BaseException as error:
            with suppress(StorageError):
                self._end(noted.id, str(error) or type(error).__name__)
            raise
        self._end(noted.id, noted.error)

    def add(self, identity: str, more: int) -> None:
        """Counts what has been done, where that takes no other write."""
        with self._fence.shared() as connection:
            add_count(connection, identity, more)

    def _end(self, identity: str, error: str | None) -> None:
        ended = {"result": "done" if error is None else "failed", "error": error}
        with self._fence.shared() as connection:
            connection.execute(update(audit).where(audit.c.id == identity).values(ended))


def record_action(connection: Connection, act: AuditEntry, count: int, result: str = "done") -> str:
    """Notes an act that is done in the same transaction."""
    state = read_switches(connection)
    identity = str(uuid7())
    row = {
        "id": identity,
        "at": state.now,
        "epoch": state.epoch,
        "action": act.action,
        "shop": act.shop or _ANY,
        "domains": [act.domain or _ANY],
        "by": act.asked.by,
        "user_id": act.asked.user_id,
        "source": act.asked.source,
        "reason": act.asked.reason,
        "subject": act.subject,
        "result": result,
        "count": count,
    }
    connection.execute(audit.insert(), row)
    return identity


def add_count(connection: Connection, identity: str, more: int) -> None:
    """Counts what is done in the same transaction."""
    connection.execute(update(audit).where(audit.c.id == identity).values(count=audit.c["count"] + more))
