"""Feeds of an ERP, by shop and domain: distance of the events' times, and silence against the feed's own past."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

__all__ = ["WEEK", "WEEKS", "Distances", "Silence", "judge_silence", "merged", "span_of"]

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


def span_of(last_at: datetime, now: datetime) -> tuple[datetime, datetime]:
    """Return begin and end of a silence, of which a week at most is compared with the past."""
    return last_at, min(now, last_at + WEEK)


def judge_silence(last_at: datetime, now: datetime, first_at: datetime, hours: Mapping[datetime, int]) -> Silence:
    """Judge the silence since `last_at` by the same time of the week in the four weeks before.

    `hours` holds the feed's past: by the beginning of each hour a bit for each minute with a delivery; it begins at
    `first_at`. The silence is unusual if the feed has sent meanwhile in all of these weeks but one; of two weeks, in
    both.
    """
    start, end = span_of(last_at, now)
    shifts = [WEEK * week for week in range(1, WEEKS + 1) if first_at <= start - WEEK * week]
    sent = sum(_has_sent(start - shift, end - shift, hours) for shift in shifts)
    if len(shifts) < _LEAST_WEEKS:
        return Silence(None, sent, len(shifts))
    exceptions = _EXCEPTIONS if len(shifts) > _LEAST_WEEKS else 0
    return Silence(sent >= len(shifts) - exceptions, sent, len(shifts))


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
