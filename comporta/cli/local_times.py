"""Times that a person names by the clock of this machine, also over its change between winter and summer."""

from __future__ import annotations

from datetime import datetime, time, timedelta

__all__ = ["local_moment", "next_clock_time"]


def local_moment(wall: datetime) -> datetime:
    """Return the moment at which the local clock shows a time; of two, the first.

    A time that the clock skips is taken as if the clock were changed afterwards: 02:30 is the moment shown as 03:30.
    """
    moment = wall.astimezone()
    skipped = moment.replace(tzinfo=None, fold=0) != wall.replace(fold=0)
    return wall.replace(fold=1).astimezone() if skipped else moment


def next_clock_time(hour: int, minute: int, after: datetime) -> datetime:
    """Return the next moment after another one at which the local clock shows this time."""
    today = datetime.combine(after.astimezone().date(), time(hour, minute))
    walls = [today + timedelta(days=days) for days in range(3)]
    # Where the clock is set back it shows the time twice.
    moments = sorted(moment for wall in walls for moment in (local_moment(wall), local_moment(wall.replace(fold=1))))
    return next(moment for moment in moments if moment > after)
