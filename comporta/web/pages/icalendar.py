"""iCalendar reminder (RFC 5545) of a pause and its end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from schemas.control import SwitchState

__all__ = ["reminder"]

_DEFAULT_DELAY = timedelta(hours=1)
_EVENT_LENGTH = timedelta(minutes=15)
_MAX_OCTETS = 75


def reminder(switch: SwitchState, now: datetime, summary: str, description: str, link: str) -> str:
    """Return one event at the pause's end, or in an hour if it has none, with an alarm ten minutes before."""
    scope = f"{_uid_part(switch.shop)}-{_uid_part(switch.domain)}"
    start = switch.until or now + _DEFAULT_DELAY
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Comporta//Reminder//EN",
        "BEGIN:VEVENT",
        f"UID:{_stamp(switch.since or now)}-{_stamp(start)}-{scope}@comporta",
        f"DTSTAMP:{_stamp(now)}",
        f"DTSTART:{_stamp(start)}",
        f"DTEND:{_stamp(start + _EVENT_LENGTH)}",
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


def _uid_part(scope: str) -> str:
    return "all" if scope == "*" else scope


def _text(value: str) -> str:
    """Escape as TEXT (RFC 5545, 3.3.11) and drop the other control characters, which TEXT does not allow."""
    escaped = value.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    escaped = escaped.replace("\r\n", "\n").replace("\n", "\\n")
    return "".join(char for char in escaped if char >= " " and char != "\x7f")


def _folded(line: str) -> str:
    """Fold a line after at most 75 octets (RFC 5545, 3.1), never inside a character."""
    parts, current, size = [], "", 0
    for char in line:
        width = len(char.encode())
        if size + width > _MAX_OCTETS:
            parts.append(current)
            current, size = " ", 1
        current, size = current + char, size + width
    return "\r\n".join([*parts, current])
