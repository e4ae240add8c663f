"""Feeds of an ERP, by shop and domain: distance of the events' times, and silence against the feed's own past."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from rules.outcomes import Outcome

__all__ = [
    "WEEK",
    "WEEKS",
    "Distances",
    "Silence",
    "Trouble",
    "is_quiet",
    "judge_silence",
    "merged",
    "past_spans",
    "share",
    "troubles_of",
]

Trouble = Literal["silent", "superseded", "refused"]

WEEK = timedelta(days=7)
# The past that a silence is compared with.
WEEKS = 4
# One time in so many weeks the ERP may have been silent as well: a holiday, an outage.
_EXCEPTIONS = 1
_LEAST_WEEKS = 2
# A feed seldom sends at the same minute as a week ago. One delivery counts if an hour lies between it and both ends of
# the silence; a stream of deliveries is a better witness and needs less.
_FEW, _FEW_MARGIN = 1, timedelta(hours=1)
_MANY, _MANY_MARGIN = 10, timedelta(minutes=10)
_MINUTE, _HOUR = timedelta(minutes=1), timedelta(hours=1)
# Shorter silences are never unusual: both margins of the stronger witness, and its minutes, do not fit into them.
_QUIET = 2 * _MANY_MARGIN + _MANY * _MINUTE
# Nearly everything is old: a counter was restored, or the ERP sends what it has sent before.
_SUPERSEDED, _SUPERSEDED_LEAST = 0.9, 20
# One message in a hundred, but not a single mistake.
_REFUSED, _REFUSED_LEAST = 0.01, 3


class Distances(NamedTuple):
    """Seconds from the events' own times to their commit; negative where the ERP's clock is ahead.

    `newest` is the newest of these times, in seconds since 1970; `measured` counts the events.
    """

    newest: float
    least: float
    most: float
    total: float
    measured: int


def merged(one: Distances, other: Distances) -> Distances:
    """Return the distances of both samples as one."""
    return Distances(
        max(one.newest, other.newest),
        min(one.least, other.least),
        max(one.most, other.most),
        one.total + other.total,
        one.measured + other.measured,
    )


class Silence(NamedTuple):
    """Silence of a feed; `weeks` are the weeks compared, `sent` those in which it had sent meanwhile.

    `unusual` is None where the past is too short to tell.
    """

    unusual: bool | None
    sent: int
    weeks: int


def is_quiet(last_at: datetime, now: datetime) -> bool:
    """Return whether a feed has been silent for so long that its past has to be looked at, and not for over a week."""
    return _QUIET <= now - last_at <= WEEK


def past_spans(last_at: datetime, now: datetime) -> list[tuple[datetime, datetime]]:
    """Return the same time of the week as the silence in each of the weeks before, newest first."""
    return [(last_at - WEEK * week, now - WEEK * week) for week in range(1, WEEKS + 1)]


def judge_silence(last_at: datetime, now: datetime, first_at: datetime, hours: Mapping[datetime, int]) -> Silence:
    """Judge the silence since `last_at` by the same time of the week in the four weeks before.

    `hours` holds the feed's past: by the beginning of each hour a bit for each minute with a delivery; it begins at
    `first_at`. The silence is unusual if the feed has sent meanwhile in all of these weeks but one; of two weeks, in
    both.
    """
    spans = [(start, end) for start, end in past_spans(last_at, now) if first_at <= start]
    sent = sum(_has_sent(start, end, hours) for start, end in spans)
    if len(spans) < _LEAST_WEEKS:
        return Silence(None, sent, len(spans))
    exceptions = _EXCEPTIONS if len(spans) > _LEAST_WEEKS else 0
    return Silence(sent >= len(spans) - exceptions, sent, len(spans))


def share(counts: Mapping[str, int], outcome: Outcome) -> float | None:
    """Return the share of one outcome, None without any delivery."""
    total = sum(counts.values())
    return counts.get(outcome.value, 0) / total if total else None


def troubles_of(counts: Mapping[str, int], silence: Silence | None) -> list[Trouble]:
    """Return what is wrong with a feed, by its last deliveries by outcome and its silence."""
    total, refused = sum(counts.values()), counts.get(Outcome.QUARANTINED.value, 0)
    superseded = counts.get(Outcome.SUPERSEDED.value, 0)
    found: dict[Trouble, bool] = {
        "silent": silence is not None and silence.unusual is True,
        "superseded": total >= _SUPERSEDED_LEAST and superseded > _SUPERSEDED * total,
        "refused": refused >= _REFUSED_LEAST and refused > _REFUSED * total,
    }
    return [name for name, is_so in found.items() if is_so]


def _has_sent(start: datetime, end: datetime, hours: Mapping[datetime, int]) -> bool:
    return any(
        _minutes(start + margin, end - margin, hours) >= least
        for least, margin in ((_FEW, _FEW_MARGIN), (_MANY, _MANY_MARGIN))
    )


def _minutes(start: datetime, end: datetime, hours: Mapping[datetime, int]) -> int:
    """Count the minutes with a delivery that begin within [start, end)."""
    count, hour = 0, start.replace(minute=0, second=0, microsecond=0)
    while hour < end:
        first = max(0, -((hour - start) // _MINUTE))
        last = min(60, -((hour - end) // _MINUTE))
        if first < last:
            mask = ((1 << (last - first)) - 1) << first
            count += (hours.get(hour, 0) & mask).bit_count()
        hour += _HOUR
    return count
