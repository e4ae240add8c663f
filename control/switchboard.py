"""Switch changes, alone behind the fence; each is audited, counted for its repair sheet and announced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from rules.plans import begin, decide_command, planned_pauses
from rules.shops import OPEN, ShopRules, is_known, unknown_shop
from rules.switches import Decision, Plan, Scope, Switch, Switches, expire, flips, overtaken
from schemas.control import ANY, Announcement, Command, Reply
from storage.audit import (
    EXPIRED_BY,
    EXPIRED_REASON,
    audit_begin,
    audit_command,
    audit_expiry,
    audit_unreadable,
    issue_times,
)
from storage.fence import Connection, Fence
from storage.pause_costs import PauseSpan, ended_spans
from storage.repairs import NewSheet, RepairSheetWriter, after_expiry, after_resume
from storage.shops import known_shops
from storage.switches import ChangeState, read_for_change, write_switches

__all__ = ["Switchboard"]

Announce = Callable[[Announcement], None]


class _UnknownShop(Exception):
    """A command that names a shop that is not known."""

    def __init__(self, known: frozenset[str]) -> None:
        self.known = known


class Switchboard:
    """The only writer of the switches; when a method returns, its change has committed.

    `shop_rules` name the shops that are known beside those in the database.
    """

    def __init__(self, fence: Fence, announce: Announce, shop_rules: ShopRules = OPEN) -> None:
        self._fence = fence
        self._announce = announce
        self._shop_rules = shop_rules

    def change(self, command: Command) -> Reply:
        """Obey a pause or a resume; when this returns, every later batch obeys the change."""
        try:
            return self._change(command)
        except _UnknownShop as unknown:
            # Outside the fence: the search for names like it may take a while.
            return self.refuse(
                command.action,
                f"invalid: {unknown_shop(command.message.shop, unknown.known)}",
                source=command.source,
                message_id=command.message_id,
                user_id=command.user_id,
                command=command,
            )

    def _change(self, command: Command) -> Reply:
        likely = command.action == "resume"
        with RepairSheetWriter(self._fence, likely=likely) as sheets, self._fence.exclusive() as connection:
            before = read_for_change(connection, command)
            self._check_shop(connection, command, before)
            state, announcements, new_sheets, ended = _follow_clock(connection, before)
            if late := overtaken(command, state):
                state = replace(state, issued=issue_times(connection, late))
            decision = decide_command(command, state, repeated=before.obeyed)
            write_switches(connection, decision.changes)
            after = state.changed(decision.changes)
            audit_command(connection, command, decision, after)
            turned = [new for new in decision.changes if flips(new, state)]
            ended += ended_spans(state, after)
            sheets.begin(connection, new_sheets + after_resume(command, turned, after), after, ended)
            reply = _reply(after, before.in_flight, command.scopes, decision)
        if decision.changes:
            announcements.append(_change_announcement(reply, command))
        self._announce_all(announcements)
        return reply

    def _check_shop(self, connection: Connection, command: Command, before: ChangeState) -> None:
        """Raise `_UnknownShop` if the message names a shop that is not known, and does not say that it is new."""
        shop = command.message.shop
        if shop == ANY or command.message.new_shop or before.shop_seen or before.obeyed:
            return
        known = known_shops(connection) | (self._shop_rules.listed() if self._shop_rules.listed else frozenset())
        if not is_known(shop, known):
            raise _UnknownShop(known)

    def refuse(
        self,
        action: str,
        error: str,
        *,
        source: str,
        message_id: str | None = None,
        user_id: str | None = None,
        command: Command | None = None,
    ) -> Reply:
        """Audit a control message that could not be parsed, or a command that names no known shop; return the reply."""
        with self._fence.shared() as connection:
            before = read_for_change(connection)
            audit_unreadable(
                connection,
                before.switches,
                action=action,
                error=error,
                by=command.by if command else user_id or "unknown",
                user_id=user_id,
                source=source,
                message_id=message_id,
                command=command,
            )
            scopes = command.scopes if command else [(ANY, ANY)]
            return _reply(before.switches, before.in_flight, scopes, Decision.refused(error))

    def end_expired(self) -> None:
        """End the pauses whose end has passed, and begin planned ones; of several callers the first does it, once."""
        with RepairSheetWriter(self._fence, likely=True) as sheets, self._fence.exclusive() as connection:
            after, announcements, new_sheets, ended = _follow_clock(connection, read_for_change(connection))
            sheets.begin(connection, new_sheets, after, ended)
        self._announce_all(announcements)

    def _announce_all(self, announcements: list[Announcement]) -> None:
        for announcement in announcements:
            self._announce(announcement)


class _Followed(NamedTuple):
    """Changes by the clock: the switches after them, what is to be announced and counted, and the ended pauses."""

    after: Switches
    announcements: list[Announcement]
    sheets: list[NewSheet]
    spans: list[PauseSpan]


def _follow_clock(connection: Connection, before: ChangeState) -> _Followed:
    ended = expire(before.switches)
    write_switches(connection, ended)
    after = before.switches.changed(ended)
    for switch in ended:
        audit_expiry(connection, switch, after)
    announcements = [_expiry_announcement(switch, after, before.in_flight) for switch in ended]
    sheets, spans = after_expiry(ended, after), ended_spans(before.switches, after)
    begun = begin(after)
    write_switches(connection, begun)
    after = after.changed(begun)
    for switch in begun:
        plan = before.switches.by_scope[switch.scope].plan
        if plan is not None:
            audit_begin(connection, switch, plan, after)
            announcements += [_begin_announcement(switch, plan, after, before.in_flight)] if switch.off else []
    return _Followed(after, announcements, sheets, spans)


def _reply(state: Switches, in_flight: int, scopes: Sequence[Scope], decision: Decision) -> Reply:
    return Reply(
        result=decision.result,
        epoch=state.epoch,
        effective_at=state.now,
        in_flight_orders=in_flight,
        still_off=list(state.still_off(scopes)),
        changed_ends=list(decision.ends),
        planned=planned_pauses(state, scopes),
        error=decision.error,
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
        **_reply(after, in_flight, [switch.scope], Decision("on", None, ())).__dict__,
        action="expire",
        shop=switch.shop,
        domains=[switch.domain],
        reason=EXPIRED_REASON,
        by=EXPIRED_BY,
        until=None,
    )


def _begin_announcement(switch: Switch, plan: Plan, after: Switches, in_flight: int) -> Announcement:
    return Announcement(
        **_reply(after, in_flight, [switch.scope], Decision("off", None, ())).__dict__,
        action="begin",
        shop=switch.shop,
        domains=[switch.domain],
        reason=plan.reason,
        by=plan.by,
        until=switch.until,
    )
