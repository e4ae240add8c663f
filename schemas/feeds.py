"""Notices of commits: the change feed on `comporta.changes`, and outcomes for the ERP on `comporta.outcomes`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import orjson

from schemas.events import Attributes
from schemas.fields import Message, Time

__all__ = [
    "CHANGES_TYPE",
    "COUNTED_TYPE",
    "FEED_TYPES",
    "MOST_CHANGES",
    "QUARANTINED_TYPE",
    "changes_event",
    "changes_id",
    "counted_event",
    "counted_id",
    "quarantined_event",
]

CHANGES_TYPE = "comporta.changes.v1"
QUARANTINED_TYPE = "comporta.outcome.quarantined.v1"
COUNTED_TYPE = "comporta.outcome.counted.v1"
MOST_CHANGES = 500
_SOURCE = "/comporta"


class ChangedKey(Message):
    """One row that was written: its position in the feed, key, version (digits), and whether it is a tombstone now."""

    position: int
    key: dict[str, str]
    version: str
    deleted: bool


class ChangesData(Message):
    """At most 500 rows of one shop and domain, in the order of their positions."""

    shop: str
    domain: str
    changes: list[ChangedKey]


class ReasonGiven(Message):
    """Why an event was refused: a code of docs/contract/reasons.md, a JSON pointer and one sentence."""

    code: str
    pointer: str
    sentence: str


class QuarantinedData(Message):
    """An event that was refused: what it says of itself, as far as that can be read, and the reasons."""

    shop: str
    domain: str
    id: str | None
    sequence: str | None
    key: dict[str, Any] | None
    reasons: list[ReasonGiven]
    quarantine_id: str


class CountedData(Message):
    """Number of deliveries with one outcome, of one shop and domain, in one minute."""

    shop: str
    domain: str
    outcome: Literal["applied", "superseded", "discarded"]
    minute: Time
    count: int


class _ChangesEvent(Attributes):
    type: Literal["comporta.changes.v1"]
    data: ChangesData


class _QuarantinedEvent(Attributes):
    type: Literal["comporta.outcome.quarantined.v1"]
    data: QuarantinedData


class _CountedEvent(Attributes):
    type: Literal["comporta.outcome.counted.v1"]
    data: CountedData


FEED_TYPES: dict[str, type[Attributes]] = {
    CHANGES_TYPE: _ChangesEvent,
    QUARANTINED_TYPE: _QuarantinedEvent,
    COUNTED_TYPE: _CountedEvent,
}


def changes_id(first: int, last: int) -> str:
    """Return the id of a message with the changes of these positions; a repeat has the same."""
    return f"changes-{first}-{last}"


def changes_event(shop: str, domain: str, changes: Sequence[tuple[int, str, int, bool]], at: datetime) -> bytes:
    """Return the event for changes of one shop and domain: position, key as JSON text, version, deleted."""
    rows = [
        {"position": position, "key": orjson.Fragment(key), "version": str(version), "deleted": deleted}
        for position, key, version, deleted in changes
    ]
    identity = changes_id(changes[0][0], changes[-1][0])
    return _event(identity, CHANGES_TYPE, f"{shop}/{domain}", at, {"shop": shop, "domain": domain, "changes": rows})


def quarantined_event(quarantine_id: str, shop: str, domain: str, data: str, at: datetime) -> bytes:
    """Return the event for a refused event; `data` is the JSON text of its data."""
    return _event(quarantine_id, QUARANTINED_TYPE, f"{shop}/{domain}", at, orjson.Fragment(data))


def counted_id(shop: str, domain: str, outcome: str, minute: datetime) -> str:
    """Return the id of a count; a repeat has the same."""
    return f"counted-{shop}-{domain}-{outcome}-{_text(minute)}"


def counted_event(shop: str, domain: str, outcome: str, minute: datetime, count: int) -> bytes:
    """Return the event for a count of outcomes."""
    data = {"shop": shop, "domain": domain, "outcome": outcome, "minute": _text(minute), "count": count}
    return _event(counted_id(shop, domain, outcome, minute), COUNTED_TYPE, f"{shop}/{domain}", minute, data)


def _event(identity: str, kind: str, subject: str, at: datetime, data: Mapping[str, Any] | orjson.Fragment) -> bytes:
    event = {
        "specversion": "1.0",
        "id": identity,
        "source": _SOURCE,
        "type": kind,
        "time": _text(at),
        "subject": subject,
        "data": data,
    }
    return orjson.dumps(event)


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
