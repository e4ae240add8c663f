"""Version rules of a feed: one kind of version for each shop and domain, and no time far ahead of the clock.

A key whose version is far above what its ERP will send next is frozen: every later event is older. So an event that
would do that is refused, also while the switch is off, where it would freeze the missed key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, NamedTuple

from rules.switches import Scope
from schemas.domains import DOMAINS
from schemas.events import ChangeEvent, version_of_time
from schemas.fields import Column, canonical_decimal
from schemas.reasons import Reason, Refusal

__all__ = [
    "CONTENT_CHANGED",
    "DEFAULT_CLOCK_AHEAD",
    "FORGOTTEN",
    "TIME_AHEAD",
    "FeedGroups",
    "VersionRules",
    "content_hash",
    "first_kinds",
    "kind_refusal",
    "latest_version",
    "same_content",
    "split_by_rules",
]

# The version of a key whose version an operator has forgotten: below every time and every sequence.
FORGOTTEN = -(2**62)
DEFAULT_CLOCK_AHEAD = timedelta(days=1)
# The events of a batch by domain, shop and kind of version (True: by time), in the order of their arrival.
FeedGroups = Mapping[tuple[str, str, bool], Sequence[ChangeEvent]]

_version = attrgetter("version")
_KIND = {
    False: Refusal(Reason.VERSION_KIND, "", "the feed's versions are sequences, and this event has only a time"),
    True: Refusal(Reason.VERSION_KIND, "/sequence", "the feed's versions are times, and this event has a sequence"),
}
TIME_AHEAD = Refusal(
    Reason.TIME_AHEAD, "/time", "the time serves as version and lies too far ahead of the database's clock"
)

CONTENT_CHANGED = Refusal(
    Reason.CONTENT_CHANGED, "/data", "an earlier event with this key, version and id has different content"
)


def kind_refusal(*, by_time: bool) -> Refusal:
    """Return the refusal of an event of the other kind of version, by the kind of its feed (True: by time)."""
    return _KIND[by_time]


class VersionRules(NamedTuple):
    """The kind of version of each feed (True: by time), and the highest version that a time may stand for."""

    by_time: Mapping[Scope, bool]
    latest: int


def latest_version(now: datetime, clock_ahead: timedelta) -> int:
    """Return the highest version that a time may stand for, by the database's clock."""
    return version_of_time(now) + clock_ahead // timedelta(microseconds=1)


def first_kinds(
    batch: Iterable[object], groups: FeedGroups, known: Mapping[Scope, bool], latest: int
) -> dict[Scope, bool]:
    """Return the kind of every feed that is not known yet: that of its first event which is not too far ahead."""
    firsts: dict[Scope, list[ChangeEvent]] = {}
    for (domain, shop, by_time), events in groups.items():
        if (shop, domain) not in known:
            first = next((event for event in events if not (by_time and event.version > latest)), None)
            if first is not None:
                firsts.setdefault((shop, domain), []).append(first)
    return {feed: _earliest(batch, events).by_time for feed, events in firsts.items()}


def _earliest(batch: Iterable[object], events: Sequence[ChangeEvent]) -> ChangeEvent:
    """Return the event that comes first in the batch."""
    if len(events) == 1:
        return events[0]
    positions = {id(item): position for position, item in enumerate(batch)}
    return min(events, key=lambda event: positions[id(event)])


def split_by_rules(
    feed: Scope, by_time: bool, events: Sequence[ChangeEvent], rules: VersionRules
) -> tuple[Sequence[ChangeEvent], Sequence[tuple[ChangeEvent, Refusal]]]:
    """Split the events of one feed and kind of version into those that pass the rules, and the refused ones."""
    kind = rules.by_time.get(feed, by_time)
    if kind is not by_time:
        return (), [(event, _KIND[kind]) for event in events]
    if not by_time or max(map(_version, events)) <= rules.latest:
        return events, ()
    passing = [event for event in events if event.version <= rules.latest]
    return passing, [(event, TIME_AHEAD) for event in events if event.version > rules.latest]


def same_content(one: ChangeEvent, other: ChangeEvent) -> bool:
    """Return whether two events of one key say the same: `1.50` is 1.5, and the time of the event doesn't count."""
    return one.deleted == other.deleted and (one.data.__dict__ == other.data.__dict__ or _values(one) == _values(other))


def content_hash(event: ChangeEvent) -> int:
    """Return a number that events of the same content share within this process."""
    return hash((event.deleted, repr(_values(event))))


def _values(event: ChangeEvent) -> dict[str, Any]:
    columns = DOMAINS[event.domain].columns
    return {name: _value(columns[name], value) for name, value in event.data.__dict__.items()}


def _value(column: Column, value: Any) -> Any:
    return canonical_decimal(value) if value is not None and column in {Column.QUANTITY, Column.MONEY} else value
