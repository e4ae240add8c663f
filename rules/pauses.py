"""Pauses as the audit tells them: each from the epoch of its off to the epochs at which its scopes were switched on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from rules.switches import Scope

__all__ = ["Pause", "PausedScope", "SwitchChange", "pauses_of"]


class SwitchChange(NamedTuple):
    """An entry of the audit that has switched something: the scopes, and the result `off` or `on`."""

    epoch: int
    at: datetime
    action: str
    scopes: tuple[Scope, ...]
    by: str
    reason: str | None
    result: str


@dataclass
class PausedScope:
    """A scope of a pause, and what has ended it; None while it is off."""

    scope: Scope
    ended: SwitchChange | None = None


@dataclass
class Pause:
    """A command that has switched scopes off which were on; scopes that overlap belong to pauses of their own."""

    began: SwitchChange
    scopes: list[PausedScope] = field(default_factory=list)

    @property
    def ended_at(self) -> datetime | None:
        """Return the time at which the last scope was switched on; None while any is off."""
        ends = [paused.ended.at for paused in self.scopes if paused.ended is not None]
        return max(ends) if len(ends) == len(self.scopes) else None


def pauses_of(changes: Iterable[SwitchChange]) -> list[Pause]:
    """Return the pauses in the order in which they began, from the changes in the order of their epochs."""
    pauses: list[Pause] = []
    off: dict[Scope, PausedScope] = {}
    for change in changes:
        if change.result == "off":
            # A scope that is off already stays part of the pause that began first.
            begun = [PausedScope(scope) for scope in dict.fromkeys(change.scopes) if scope not in off]
            off.update((paused.scope, paused) for paused in begun)
            if begun:
                pauses.append(Pause(change, begun))
        else:
            for scope in change.scopes:
                if (paused := off.pop(scope, None)) is not None:
                    paused.ended = change
    return pauses
