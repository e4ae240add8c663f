"""Switch changes, alone behind the fence; each is audited, counted for its repair sheet and announced."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rules.switches import Scope, Switch, Switches, decide, expire
from schemas.control import Announcement, Command, ControlResult, Reply
from storage.audit import EXPIRED_BY, EXPIRED_REASON, audit_command, audit_expiry, audit_unreadable
from storage.fence import Connection, Fence
from storage.pause_costs import ended_spans
from storage.repairs import NewSheet, RepairSheetWriter, after_expiry, after_resume
from storage.switches import ChangeState, read_for_change, write_switches

__all__ = ["Switchboard"]

Announce = Callable[[Announcement], None]


class Switchboard:
    """The only writer of the switches; when a method returns, its change has committed."""

    def __init__(self, fence: Fence, announce: Announce) -> None:
        self._fence = fence
        self._announce = announce

    def change(self, command: Command) -> Reply:
        """Obey a pause or a resume; when this returns, every later batch obeys the change."""
        likely = command.action == "resume"
        with RepairSheetWriter(self._fence, likely=likely) as sheets, self._fence.exclusive() as connection:
            before = read_for_change(connection, command.message_id)
            state, announcements, new_sheets = _end_expired(connection, before)
            decision = decide(command, state, repeated=before.obeyed)
            write_switches(connection, decision.changes)
            after = state.changed(decision.changes)
            audit_command(connection, command, decision, after)
            ended = [*ended_spans(before.switches, state), *ended_spans(state, after)]
            sheets.begin(connection, new_sheets + after_resume(command, decision.changes, after), after, ended)
            reply = _reply(after, before.in_flight, command.scopes, decision.result, decision.error)
        if decision.changes:
            announcements.append(_change_announcement(reply, command))
        self._announce_all(announcements)
        return reply

    def refuse(
        self, action: str, error: str, *, source: str, message_id: str | None = None, user_id: str | None = None
    ) -> Reply:
        """Audit a control message that could not be parsed, and return the reply."""
        with self._fence.shared() as connection:
            before = read_for_change(connection)
            audit_unreadable(
                connection,
                before.switches,
                action=action,
                error=error,
                by=user_id or "unknown",
                user_id=user_id,
                source=source,
                message_id=message_id,
            )
            return _reply(before.switches, before.in_flight, [("*", "*")], "refused", error)

    def end_expired(self) -> None:
        """End the pauses whose end has passed; of several callers the first does it, once."""
        with RepairSheetWriter(self._fence, likely=True) as sheets, self._fence.exclusive() as connection:
            before = read_for_change(connection)
            after, announcements, new_sheets = _end_expired(connection, before)
            sheets.begin(connection, new_sheets, after, ended_spans(before.switches, after))
        self._announce_all(announcements)

    def _announce_all(self, announcements: list[Announcement]) -> None:
        for announcement in announcements:
            self._announce(announcement)


def _end_expired(connection: Connection, before: ChangeState) -> tuple[Switches, list[Announcement], list[NewSheet]]:
    ended = expire(before.switches)
    write_switches(connection, ended)
    after = before.switches.changed(ended)
    for switch in ended:
        audit_expiry(connection, switch, after)
    announcements = [_expiry_announcement(switch, after, before.in_flight) for switch in ended]
    return after, announcements, after_expiry(ended, after)


def _reply(state: Switches, in_flight: int, scopes: Iterable[Scope], result: ControlResult, error: str | None) -> Reply:
    return Reply(
        result=result,
        epoch=state.epoch,
        effective_at=state.now,
        in_flight_orders=in_flight,
        still_off=list(state.still_off(scopes)),
        error=error,
    )


def _change_announcement(reply: Reply, command: Command) -> Announcement:
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


def _expiry_announcement(switch: Switch, after: Switches, in_flight: int) -> Announcement:
    return Announcement(
        **_reply(after, in_flight, [switch.scope], "on", None).__dict__,
        action="expire",
        shop=switch.shop,
        domains=[switch.domain],
        reason=EXPIRED_REASON,
        by=EXPIRED_BY,
        until=None,
    )
