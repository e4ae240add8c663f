"""Reads and changes the switches, inside the fence."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Select, bindparam, exists, func, select, true
from uuid_utils import uuid7

from rules.switches import Decision, Switch, Switches, decide, expire
from schemas.control import Announcement, Command, Reply
from schemas.registry import DOMAINS
from storage.entities import insert_into
from storage.fence import Fence
from storage.tables import audit, missed, orders, switches
from storage.types import UtcTime

__all__ = ["FencedState", "Switchboard", "in_flight_orders", "read_fenced", "read_switches"]

Announce = Callable[[Announcement], None]


@dataclass(frozen=True, slots=True)
class FencedState:
    """What a batch has to know: the switches that are off, and which domains have missed keys."""

    switches: Switches
    missed: frozenset[str]


def read_switches(connection: Connection) -> Switches:
    """Every switch, whether on or off."""
    rows = connection.execute(_reading(connection, only_off=False), _clock(connection)).all()
    return _switches(rows)


def read_fenced(connection: Connection) -> FencedState:
    """The switches that are off and the domains with missed keys, in one statement."""
    statement = _reading(connection, only_off=True).add_columns(
        *(exists(1).where(missed.c.domain == domain).label(f"missed_{domain}") for domain in DOMAINS)
    )
    rows = connection.execute(statement, _clock(connection)).all()
    first = rows[0]._mapping
    return FencedState(_switches(rows), frozenset(domain for domain in DOMAINS if first[f"missed_{domain}"]))


def in_flight_orders(connection: Connection) -> int:
    """How many orders are on their way to the ERP just now."""
    return connection.scalar(select(func.count()).where(orders.c.state == "sending")) or 0


class Switchboard:
    """Turns switches on and off; every change is audited, counted by the epoch and announced."""

    def __init__(self, fence: Fence, announce: Announce) -> None:
        self._fence = fence
        self._announce = announce

    def change(self, command: Command) -> Reply:
        """Obeys a pause or a resume; when this returns, the fence holds."""
        with self._fence.exclusive() as connection:
            announcements = self._end_expired(connection)
            state = read_switches(connection)
            decision = decide(command, state, repeated=_repeated(connection, command))
            _write(connection, decision.changes)
            after = read_switches(connection)
            _audit(connection, _command_row(command, decision, after))
            reply = _reply(connection, command, decision, after)
        if decision.changes:
            announcements.append(_announcement(reply, command))
        for announcement in announcements:
            self._announce(announcement)
        return reply

    def refuse(
        self, action: str, error: str, *, source: str, message_id: str | None = None, user_id: str | None = None
    ) -> Reply:
        """Audits a control message that could not be read, and answers it."""
        with self._fence.shared() as connection:
            state = read_switches(connection)
            row = {"action": action, "by": user_id or "unknown", "user_id": user_id, "source": source}
            _audit(connection, _audit_row(state, "refused", error) | row | {"message_id": message_id})
            return Reply(
                result="refused",
                epoch=state.epoch,
                effective_at=state.now,
                in_flight_orders=in_flight_orders(connection),
                still_off=list(state.still_off([("*", "*")])),
                error=error,
            )

    def end_expired(self) -> None:
        """Ends the pauses that have run past their end; whoever sees one first does it, once."""
        with self._fence.exclusive() as connection:
            announcements = self._end_expired(connection)
        for announcement in announcements:
            self._announce(announcement)

    def _end_expired(self, connection: Connection) -> list[Announcement]:
        state = read_switches(connection)
        ended = expire(state)
        _write(connection, ended)
        after = read_switches(connection)
        announcements = []
        for switch in ended:
            said = {"action": "expire", "shop": switch.shop, "domains": [switch.domain], "by": "comporta"}
            _audit(connection, _audit_row(after, "on", None) | said | {"source": "clock", "reason": "until reached"})
            announcements.append(
                Announcement(
                    result="on",
                    epoch=after.epoch,
                    effective_at=after.now,
                    in_flight_orders=in_flight_orders(connection),
                    still_off=list(after.still_off([switch.scope])),
                    error=None,
                    action="expire",
                    shop=switch.shop,
                    domains=[switch.domain],
                    reason="until reached",
                    by="comporta",
                    until=None,
                )
            )
        return announcements


def _clock(connection: Connection) -> dict[str, Any]:
    return {} if connection.dialect.name == "postgresql" else {"now": datetime.now(UTC)}


def _reading(connection: Connection, *, only_off: bool) -> Select[Any]:
    # PostgreSQL's now() is when the transaction began, before it waited for the fence.
    postgres = connection.dialect.name == "postgresql"
    clock = func.clock_timestamp(type_=UtcTime) if postgres else bindparam("now", type_=UtcTime)
    once = select(clock.label("now"), select(func.max(switches.c.epoch)).scalar_subquery().label("newest")).subquery()
    wanted = switches.c.off if only_off else true()
    return select(once.c.now, once.c.newest, switches).select_from(once.outerjoin(switches, wanted))


def _switches(rows: Iterable[Any]) -> Switches:
    rows = list(rows)
    found = [
        Switch(
            shop=row.shop,
            domain=row.domain,
            off=row.off,
            reason=row.reason,
            by=row.by,
            since=row.since,
            until=row.until,
            epoch=row.epoch,
            changed_at=row.changed_at,
        )
        for row in rows
        if row.shop is not None
    ]
    return Switches(rows[0].newest or 0, rows[0].now, {switch.scope: switch for switch in found})


def _write(connection: Connection, changes: Iterable[Switch]) -> None:
    names = [column.name for column in switches.columns]
    insert = insert_into(connection.dialect.name, switches)
    statement = insert.on_conflict_do_update(
        index_elements=["shop", "domain"], set_={name: insert.excluded[name] for name in names}
    )
    for switch in changes:
        connection.execute(statement, {name: getattr(switch, name) for name in names})


def _repeated(connection: Connection, command: Command) -> bool:
    if command.message_id is None:
        return False
    before = select(audit.c.id).where(audit.c.message_id == command.message_id, audit.c.result != "refused").limit(1)
    return connection.scalar(before) is not None


def _audit(connection: Connection, row: dict[str, Any]) -> None:
    connection.execute(audit.insert(), row)


def _audit_row(state: Switches, result: str, error: str | None) -> dict[str, Any]:
    return {"id": str(uuid7()), "at": state.now, "result": result, "epoch": state.epoch, "error": error}


def _command_row(command: Command, decision: Decision, after: Switches) -> dict[str, Any]:
    message = command.message
    return _audit_row(after, decision.result, decision.error) | {
        "action": command.action,
        "shop": message.shop,
        "domains": list(message.domains),
        "by": command.by,
        "user_id": command.user_id,
        "source": command.source,
        "reason": message.reason,
        "message_id": command.message_id,
        "issued_at": command.issued_at,
        "until": message.until,
    }


def _reply(connection: Connection, command: Command, decision: Decision, after: Switches) -> Reply:
    return Reply(
        result=decision.result,
        epoch=after.epoch,
        effective_at=after.now,
        in_flight_orders=in_flight_orders(connection),
        still_off=list(after.still_off(command.scopes)),
        error=decision.error,
    )


def _announcement(reply: Reply, command: Command) -> Announcement:
    message = command.message
    return Announcement(
        **reply.__dict__,
        action=command.action,
        shop=message.shop,
        domains=list(message.domains),
        reason=message.reason,
        by=command.by,
        until=message.until,
    )
