"""Times by the local clock, over its change between winter and summer."""

from __future__ import annotations

import time as clock
from collections.abc import Iterator
from datetime import UTC, datetime, time

import pytest

from comporta.cli.local_times import local_moment, next_clock_time


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set the zone of the machine: its clock skips 2027-03-14 02:30, and shows 2027-11-07 01:30 twice."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "America/New_York")
        clock.tzset()
        yield
    clock.tzset()


@pytest.mark.parametrize(
    ("wall", "moment"),
    [
        ("2027-01-15T10:00", "2027-01-15T15:00Z"),
        ("2027-07-15T10:00", "2027-07-15T14:00Z"),
        ("2027-03-14T01:59", "2027-03-14T06:59Z"),
        ("2027-03-14T02:30", "2027-03-14T07:30Z"),
        ("2027-03-14T03:00", "2027-03-14T07:00Z"),
        ("2027-11-07T01:30", "2027-11-07T05:30Z"),
        ("2027-11-07T02:00", "2027-11-07T07:00Z"),
    ],
)
@pytest.mark.usefixtures("zone")
def test_a_local_time_is_the_moment_at_which_the_clock_shows_it(wall: str, moment: str) -> None:
    assert local_moment(datetime.fromisoformat(wall)) == datetime.fromisoformat(moment)


@pytest.mark.parametrize(
    ("after", "wanted", "moment"),
    [
        # The evening before the clock is set back, and before it is set forward.
        ("2027-11-07T02:00Z", "08:00", "2027-11-07T13:00Z"),
        ("2027-03-14T03:00Z", "08:00", "2027-03-14T12:00Z"),
        ("2027-03-14T03:00Z", "02:30", "2027-03-14T07:30Z"),
        # Between the two times at which the clock shows 01:30, and after both.
        ("2027-11-07T05:00Z", "01:30", "2027-11-07T05:30Z"),
        ("2027-11-07T05:45Z", "01:30", "2027-11-07T06:30Z"),
        ("2027-11-07T06:30Z", "01:30", "2027-11-08T06:30Z"),
        ("2027-07-15T14:00Z", "10:00", "2027-07-16T14:00Z"),
        ("2027-07-15T14:00Z", "10:01", "2027-07-15T14:01Z"),
    ],
)
@pytest.mark.usefixtures("zone")
def test_a_time_of_the_day_is_the_next_moment_at_which_the_clock_shows_it(after: str, wanted: str, moment: str) -> None:
    shown, begin = time.fromisoformat(wanted), datetime.fromisoformat(after).astimezone(UTC)
    assert next_clock_time(shown.hour, shown.minute, begin) == datetime.fromisoformat(moment)
