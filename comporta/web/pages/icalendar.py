"""A reminder for the calendar (RFC 5545): the integration is off, and when that ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from schemas.control import SwitchState

__all__ = ["reminder"]

_OPEN_END = timedelta(hours=1)
_EVENT = timedelta(minutes=15)
_LINE = 75


def reminder(switch: SwitchState, now: datetime, summary: str, description: str, link: str) -> str:
    """One event at the pause's end, an hour from now where it has none, with an alarm ten minutes before."""
    start = switch.until or now + _OPEN_END
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Comporta//Reminder//EN",
        "BEGIN:VEVENT",
        f"UID:{_stamp(switch.since or now)}-{_stamp(start)}-{_safe(switch.shop)}-{_safe(switch.domain)}@comporta",
        f"DTSTAMP:{_stamp(now)}",
        f"DTSTART:{_stamp(start)}",
        f"DTEND:{_stamp(start + _EVENT)}",
        f"SUMMARY:{_text(summary)}",
        f"DESCRIPTION:{_text(description)}",
        f"URL:{link}",
        "BEGIN:VALARM",
        "ACTION:DISPLAY",
        f"DESCRIPTION:{_text(summary)}",
        "TRIGGER:-PT10M",
        "END:VALARM",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    return "".join(_folded(line) + "\r\n" for line in lines)


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _safe(scope: str) -> str:
    return "all" if scope == "*" else scope


def _text(value: str) -> str:
    """Escaped as TEXT (3.3.11); other control characters are left out, since no calendar may hold them."""
    escaped = value.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    escaped = escaped.replace("\r\n", "\n").replace("\n", "\\n")
    return "".join(char for char in escaped if char >= " " and char != "\x7f")


def _folded(line: str) -> str:
    """At most 75 octets a line (3.1), never inside a character."""
    parts, current, size = [], "", 0
    for char in line:
        width = len(char.encode())
        if size + width > _LINE:
            parts.append(current)
            current, size = " ", 1
        current, size = current + char, size + width
    return "\r\n".join([*parts, current])
