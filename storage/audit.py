"""The audit: who asked what of the switches, when and why, and what came of it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection
from uuid_utils import uuid7

from rules.switches import Decision, Switch, Switches
from schemas.control import Command
from storage.tables import audit

__all__ = ["EXPIRED_BY", "EXPIRED_REASON", "audit_command", "audit_expiry", "audit_unreadable"]

EXPIRED_BY, EXPIRED_REASON = "comporta", "until reached"


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
