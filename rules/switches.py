"""Switches: the scopes that are off, and their changes by a pause, a resume or an end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from schemas.control import ANY, Command, ControlResult, EndChange, StillOff
from schemas.domains import DOMAIN_NAMES
from schemas.reasons import Reason

__all__ = [
    "Decision",
    "Plan",
    "Scope",
    "Switch",
    "Switches",
    "decide",
    "effective",
    "expire",
    "flips",
    "overtaken",
    "refusal_before",
]

Scope = tuple[str, str]
_NO_END_CHANGE: dict[str, Any] = {"until_before": None, "until_by": None, "until_at": None}
_ON: dict[str, Any] = {"off": False, "since": None, "until": None, **_NO_END_CHANGE}


@dataclass(frozen=True, slots=True)
class Plan:
    """A pause that is planned: its beginning and end, its reason and its operator, and whether it comes every week."""

    begins: datetime
    until: datetime | None
    reason: str
    by: str
    weekly: bool = False


@dataclass(frozen=True, slots=True)
class Switch:
    """One switch: its scope, its state with beginning and end, its operator and reason.

    If the end was changed during the pause, `until_before` is the end before that, and `until_by` and `until_at` the
    author and the time. `plan` is the next pause of the scope, if one is planned.
    """

    shop: str
    domain: str
    off: bool
    reason: str
    by: str
    since: datetime | None
    until: datetime | None
    epoch: int
    changed_at: datetime
    until_before: datetime | None = None
    until_by: str | None = None
    until_at: datetime | None = None
    plan: Plan | None = None

    @property
    def scope(self) -> Scope:
        """Return the shop and the domain, each possibly `*`."""
        return self.shop, self.domain

    def expired(self, now: datetime) -> bool:
        """Return whether the switch is off and its pause has ended."""
        return self.off and self.until is not None and self.until <= now

    def touches(self, shop: str, domain: str) -> bool:
        """Return whether the two scopes overlap."""
        return (self.shop == shop or ANY in (self.shop, shop)) and (
            self.domain == domain or ANY in (self.domain, domain)
        )


@dataclass(frozen=True, slots=True)
class Switches:
    """Every switch as read, with the epoch and the time (of the database's clock) of the read.

    `issued` is when the commands behind the last changes were issued, where they said so and it was asked for.
    """

    epoch: int
    now: datetime
    by_scope: Mapping[Scope, Switch]
    issued: Mapping[Scope, datetime] | None = None

    @property
    def expired(self) -> list[Switch]:
        """Return the switches whose pause has ended and that still have to be switched on."""
        return [switch for switch in self.by_scope.values() if switch.expired(self.now)]

    @property
    def due(self) -> list[Switch]:
        """Return the switches with a plan whose time has come and that still has to begin."""
        return [
            switch for switch in self.by_scope.values() if switch.plan is not None and switch.plan.begins <= self.now
        ]

    @property
    def overdue(self) -> bool:
        """Return whether a pause has to end or to begin by the clock before anything is decided by these switches."""
        return bool(self.by_scope and (self.expired or self.due))

    @property
    def off(self) -> list[Switch]:
        """Return the switches that are off now."""
        return [switch for switch in self.by_scope.values() if switch.off and not switch.expired(self.now)]

    def stops(self, shop: str, domain: str) -> bool:
        """Return whether any switch over this shop and domain is off."""
        return bool(self.by_scope and self._stopping(shop, domain))

    def off_since(self, shop: str, domain: str) -> datetime | None:
        """Return the earliest beginning of the present switches that stop this shop and domain; None if it is on."""
        return min((switch.since for switch in self._stopping(shop, domain) if switch.since is not None), default=None)

    def _stopping(self, shop: str, domain: str) -> list[Switch]:
        scopes = ((shop, domain), (shop, ANY), (ANY, domain), (ANY, ANY))
        switches = (self.by_scope.get(scope) for scope in scopes)
        return [switch for switch in switches if switch is not None and switch.off and not switch.expired(self.now)]

    def changed(self, changes: Iterable[Switch]) -> Switches:
        """Return the switches after these changes, with the newest epoch."""
        new = {switch.scope: switch for switch in changes}
        epoch = max([self.epoch, *(switch.epoch for switch in new.values())])
        return replace(self, epoch=epoch, by_scope={**self.by_scope, **new})

    def still_off(self, scopes: Iterable[Scope]) -> tuple[StillOff, ...]:
        """Return the switches that are off and overlap these scopes."""
        selection = list(scopes)
        return tuple(
            StillOff.model_construct(
                shop=switch.shop,
                domain=switch.domain,
                reason=switch.reason,
                by=switch.by,
                since=switch.since,
                until=switch.until,
            )
            for switch in sorted(self.off, key=lambda switch: switch.scope)
            if any(switch.touches(shop, domain) for shop, domain in selection)
        )


@dataclass(frozen=True, slots=True)
class Decision:
    """Decision on a command: its result, the error if refused, the switches to write, and the ends that they change."""

    result: ControlResult
    error: str | None
    changes: tuple[Switch, ...]
    ends: tuple[EndChange, ...] = ()

    @classmethod
    def refused(cls, error: str) -> Decision:
        """Return the decision to refuse a command, with the error."""
        return cls("refused", error, ())


def decide(command: Command, switches: Switches, *, repeated: bool) -> Decision:
    """Return the decision on a pause or a resume, from the present switches."""
    if repeated:
        return Decision("unchanged", None, ())
    error = refusal_before(command, switches)
    if error is not None:
        return Decision.refused(error)
    change = _pause if command.action == "pause" else _resume
    changes = tuple(new for scope in command.scopes if (new := change(command, scope, switches)) is not None)
    ends = tuple(end for new in changes if (end := _changed_end(new, switches)) is not None)
    dropped_plan = command.action == "resume" and bool(changes)
    if not dropped_plan and not any(flips(new, switches) for new in changes):
        return Decision("unchanged", None, changes, ends)
    return Decision("off" if command.action == "pause" else "on", None, changes, ends)


def expire(switches: Switches) -> tuple[Switch, ...]:
    """Return the switches to write for the pauses that have ended."""
    return tuple(
        replace(switch, **_ON, epoch=switches.epoch + 1, changed_at=switches.now) for switch in switches.expired
    )


def effective(switches: Switches, shops: Iterable[str]) -> dict[str, dict[str, Literal["on", "off"]]]:
    """Return the effective state of every shop and domain."""
    # Of a thousand shops few have switches of their own.
    own = {shop for shop, _ in switches.by_scope}
    others = _effective(switches, ANY)
    return {shop: _effective(switches, shop) if shop in own else others.copy() for shop in sorted(shops)}


def _effective(switches: Switches, shop: str) -> dict[str, Literal["on", "off"]]:
    return {domain: "off" if switches.stops(shop, domain) else "on" for domain in DOMAIN_NAMES}


def refusal_before(command: Command, switches: Switches) -> str | None:
    """Return why a command comes too late: its end is over, or its scope has changed since; None if it does not."""
    return _expired(command, switches) or _stale(command, switches) or _seen(command, switches)


def flips(new: Switch, switches: Switches) -> bool:
    """Return whether a changed switch is turned, rather than changed in its end or its plan."""
    last = switches.by_scope.get(new.scope)
    return new.off != (last is not None and _is_off(last, switches))


def _expired(command: Command, switches: Switches) -> str | None:
    until = command.message.until
    if until is None or until > switches.now:
        return None
    return f"{Reason.EXPIRED}: until ({until.isoformat()}) is not in the future; it is {switches.now.isoformat()} now"


def overtaken(command: Command, switches: Switches) -> list[Switch]:
    """Return the switches of a command's scopes whose last change took effect after the command was issued."""
    issued_at = command.issued_at
    if issued_at is None:
        return []
    found = (switches.by_scope.get(scope) for scope in command.scopes)
    return [switch for switch in found if switch is not None and issued_at < switch.changed_at]


def _stale(command: Command, switches: Switches) -> str | None:
    for last in overtaken(command, switches):
        # Commands may wait, so their order is that in which they were issued.
        before = (switches.issued or {}).get(last.scope, last.changed_at)
        if command.issued_at is not None and command.issued_at < before:
            return (
                f"{Reason.STALE}: issued at {command.issued_at.isoformat()}, before the last change of shop "
                f"{last.shop}, domain {last.domain} ({before.isoformat()}); if it is still meant, send it again"
            )
    return None


def _seen(command: Command, switches: Switches) -> str | None:
    for scope in command.scopes:
        last = switches.by_scope.get(scope)
        if last is not None and command.seen_epoch is not None and last.epoch > command.seen_epoch:
            return (
                f"{Reason.STALE}: the switch of shop {scope[0]}, domain {scope[1]} has changed since (epoch "
                f"{last.epoch}); look at it, and if the request is still meant, send it again"
            )
    return None


def _pause(command: Command, scope: Scope, switches: Switches) -> Switch | None:
    last, until = switches.by_scope.get(scope), command.message.until
    if last is not None and _is_off(last, switches):
        return _pause_again(command, last, switches)
    return Switch(
        shop=scope[0],
        domain=scope[1],
        off=True,
        reason=command.message.reason,
        by=command.by,
        since=switches.now,
        until=until,
        epoch=switches.epoch + 1,
        changed_at=switches.now,
        plan=None if last is None else last.plan,
    )


def _pause_again(command: Command, last: Switch, switches: Switches) -> Switch | None:
    """Return the switch to write where a pause is in force: it stays, but for what the message changes expressly."""
    message = command.message
    new = replace(last, reason=message.reason, by=command.by) if message.replace else last
    if message.until != last.until and (message.replace or message.names_end):
        changed = replace(new, until=message.until, until_before=last.until)
        new = replace(changed, until_by=command.by, until_at=switches.now)
    return None if new == last else replace(new, epoch=switches.epoch + 1, changed_at=switches.now)


def _resume(command: Command, scope: Scope, switches: Switches) -> Switch | None:
    last = switches.by_scope.get(scope)
    if last is None:
        return None
    if not last.off:
        # While it is on, a resume drops the pause that is planned; while it is off, that plan stays.
        return None if last.plan is None else replace(last, plan=None, changed_at=switches.now)
    on = replace(last, **_ON, epoch=switches.epoch + 1, changed_at=switches.now)
    return replace(on, reason=command.message.reason, by=command.by)


def _changed_end(new: Switch, switches: Switches) -> EndChange | None:
    last = switches.by_scope.get(new.scope)
    if last is None or not (new.off and _is_off(last, switches)) or new.until == last.until:
        return None
    return EndChange(shop=new.shop, domain=new.domain, old=last.until, new=new.until)


def _is_off(switch: Switch, switches: Switches) -> bool:
    return switch.off and not switch.expired(switches.now)
