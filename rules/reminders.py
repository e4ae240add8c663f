"""Reminders: occurrences that people outside are told of, each once, and the waits between attempts to tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from rules.switches import Switches

__all__ = [
    "COUNTED",
    "MOST_ATTEMPTS",
    "REMIND_AFTER",
    "Due",
    "Noted",
    "Occurrence",
    "ReminderKind",
    "due",
    "overdue_pauses",
    "retry_after",
]

REMIND_AFTER = timedelta(hours=1)
MOST_ATTEMPTS = 12
# What is only counted, such as the quarantine, is told of again when it has grown and this time has passed.
_AGAIN = timedelta(hours=1)
# New shops with the same trouble are told of together, so often at most.
_GAP = timedelta(minutes=10)
_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=30), timedelta(hours=1)


class ReminderKind(StrEnum):
    """Kind of a reminder."""

    OVERDUE = "pause.overdue"
    ENDED = "pause.ended"
    REJECTED = "orders.rejected"
    STUCK = "orders.stuck"
    QUARANTINED = "quarantine.waiting"
    HELD = "load.held"


# Kinds that count what waits, a number for each shop; the others occur once.
COUNTED = frozenset({ReminderKind.REJECTED, ReminderKind.STUCK, ReminderKind.QUARANTINED})


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Something to tell of: its key among those of its kind, its scope, its number, and what is known of it."""

    key: str
    shop: str
    domain: str
    number: int = 1
    facts: Mapping[str, Any] = field(default_factory=dict)


class Noted(NamedTuple):
    """The number at which people were told, and when."""

    number: int
    at: datetime


class Due(NamedTuple):
    """Occurrences to tell of now, what to note of them and of others, and keys to forget."""

    tell: list[Occurrence]
    note: dict[str, Noted]
    forget: set[str]


def due(kind: ReminderKind, found: Iterable[Occurrence], noted: Mapping[str, Noted], now: datetime) -> Due:
    """Decide about the occurrences of a kind that are there now, by what was noted before."""
    result, seen = Due([], {}, set()), set[str]()
    is_early = kind in COUNTED and any(now - each.at < _GAP for each in noted.values())
    for occurrence in found:
        seen.add(occurrence.key)
        before = noted.get(occurrence.key)
        if _is_news(kind, occurrence, before, now):
            if not is_early:
                result.tell.append(occurrence)
                result.note[occurrence.key] = Noted(occurrence.number, now)
        elif before is not None and occurrence.number < before.number:
            result.note[occurrence.key] = before._replace(number=occurrence.number)
    for key in noted.keys() - seen:
        # What comes and goes is remembered for a while: else each coming would be told of.
        if now - noted[key].at >= _AGAIN or kind not in COUNTED:
            result.forget.add(key)
        elif noted[key].number:
            result.note[key] = noted[key]._replace(number=0)
    return result


def _is_news(kind: ReminderKind, occurrence: Occurrence, before: Noted | None, now: datetime) -> bool:
    if before is None:
        return True
    return kind in COUNTED and occurrence.number > before.number and now - before.at >= _AGAIN


def overdue_pauses(switches: Switches, after: timedelta) -> list[Occurrence]:
    """Return the scopes that are off longer than planned: past an end that was put off, or without any for `after`."""
    found = []
    for switch in sorted(switches.off, key=lambda switch: switch.scope):
        if switch.since is None:
            continue
        planned = switch.until_before
        if planned is None or (switch.until is not None and switch.until <= planned):
            planned = switch.since + after if switch.until is None else None
        if planned is not None and planned <= switches.now:
            key = f"{switch.shop}/{switch.domain} {switch.since.isoformat()} {planned.isoformat()}"
            facts = {"since": switch.since, "until": switch.until, "by": switch.by, "reason": switch.reason}
            facts |= {"planned_until": switch.until_before}
            found.append(Occurrence(key, *switch.scope, facts=facts))
    return found


def retry_after(attempts: int) -> timedelta:
    """Return the wait after so many failed attempts."""
    doublings = min(max(0, attempts - 1), MOST_ATTEMPTS)
    return min(_FIRST_WAIT * (1 << doublings), _LONGEST_WAIT)
