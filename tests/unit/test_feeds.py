"""A feed's silence is judged by its own past, and its trouble by what became of its last deliveries."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

import pytest

from rules.feeds import WEEK, Distances, is_quiet, judge_silence, merged, past_spans, troubles_of
from rules.feeds import Silence as Judged

# A Monday.
MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
Past = dict[datetime, int]


def past(times: Iterable[datetime]) -> Past:
    """The hours of a feed that had a delivery at these times."""
    hours: Past = {}
    for time in times:
        hour = time.replace(minute=0, second=0, microsecond=0)
        hours[hour] = hours.get(hour, 0) | 1 << time.minute
    return hours


def weekly(*sent: Callable[[datetime], list[datetime]], weeks: int = 4) -> Past:
    """The same in each of the weeks before this Monday."""
    return past(time for week in range(1, weeks + 1) for one in sent for time in one(MONDAY - WEEK * week))


def every(minutes: int, first: timedelta, last: timedelta, days: int = 5) -> Callable[[datetime], list[datetime]]:
    """A delivery every so many minutes, from Monday to the last of these days."""
    steps = range(0, int((last - first) / MINUTE), minutes)
    return lambda monday: [monday + DAY * day + first + MINUTE * step for day in range(days) for step in steps]


def judge(hours: Past, last_at: datetime, now: datetime) -> bool | None:
    return judge_silence(last_at, now, min(hours, default=now), hours).unusual


OFFICE = every(1, 8 * HOUR, 18 * HOUR)


@pytest.mark.parametrize(
    ("silent_for", "unusual"), [(29 * MINUTE, False), (31 * MINUTE, True)], ids=["just before", "from then on"]
)
def test_a_stream_that_stops_during_its_hours_is_noticed_after_half_an_hour(
    silent_for: timedelta, unusual: bool
) -> None:
    tuesday = MONDAY + DAY + 10 * HOUR
    assert judge(weekly(OFFICE), tuesday, tuesday + silent_for) is unusual


def test_nights_and_weekends_are_no_silence_for_a_feed_that_rests_then() -> None:
    friday = MONDAY + 4 * DAY + 18 * HOUR
    for hours in range(1, 62):
        assert judge(weekly(OFFICE), friday, friday + hours * HOUR) is False
    assert judge(weekly(OFFICE), MONDAY + 18 * HOUR, MONDAY + DAY + 8 * HOUR) is False


def test_a_morning_without_the_usual_beginning_is_noticed() -> None:
    evening = MONDAY + 18 * HOUR
    assert judge(weekly(OFFICE), evening, MONDAY + DAY + 8 * HOUR + 15 * MINUTE) is False
    assert judge(weekly(OFFICE), evening, MONDAY + DAY + 8 * HOUR + 21 * MINUTE) is True


def test_a_nightly_batch_is_missed_an_hour_after_its_time() -> None:
    nightly = every(1, 2 * HOUR, 2 * HOUR + 5 * MINUTE, days=7)
    last = MONDAY + 2 * HOUR + 4 * MINUTE
    assert judge(weekly(nightly), last, MONDAY + DAY + 2 * HOUR + 50 * MINUTE) is False
    assert judge(weekly(nightly), last, MONDAY + DAY + 3 * HOUR + 2 * MINUTE) is True


def test_one_that_sends_every_three_hours_is_given_four() -> None:
    slow = every(180, 0 * HOUR, 24 * HOUR, days=7)
    last = MONDAY + DAY + 9 * HOUR - 2 * MINUTE
    assert judge(weekly(slow), last, last + 3 * HOUR + 55 * MINUTE) is False
    assert judge(weekly(slow), last, last + 4 * HOUR + 5 * MINUTE) is True


def test_one_week_of_four_may_have_been_silent_too_and_not_two() -> None:
    now, last = MONDAY + DAY + 12 * HOUR, MONDAY + DAY + 9 * HOUR
    full = weekly(OFFICE)
    holiday = {hour: mask for hour, mask in full.items() if hour.date() != (MONDAY + DAY - WEEK).date()}
    assert judge_silence(last, now, min(full), holiday) == Judged(True, 3, 4)
    twice = {hour: mask for hour, mask in holiday.items() if hour.date() != (MONDAY + DAY - 2 * WEEK).date()}
    assert judge_silence(last, now, min(full), twice) == Judged(False, 2, 4)


def test_of_a_past_of_two_weeks_both_must_have_sent_and_a_shorter_one_tells_nothing() -> None:
    now, last = MONDAY + DAY + 12 * HOUR, MONDAY + DAY + 9 * HOUR
    assert judge(weekly(OFFICE, weeks=2), last, now) is True
    two = weekly(OFFICE, weeks=2)
    one = {hour: mask for hour, mask in two.items() if hour.date() != (MONDAY + DAY - WEEK).date()}
    assert judge(one, last, now) is False
    assert judge(weekly(OFFICE, weeks=1), last, now) is None
    assert judge({}, last, now) is None


def test_minutes_count_only_inside_the_span() -> None:
    last, now = MONDAY + 10 * HOUR, MONDAY + 10 * HOUR + 40 * MINUTE
    edges = [start + 9 * MINUTE for start, _ in past_spans(last, now)]
    edges += [end - 10 * MINUTE for _, end in past_spans(last, now)]
    begun = {MONDAY - 5 * WEEK: 1}
    assert judge(past(edges) | begun, last, now) is False
    inside = [start + MINUTE * minute for start, _ in past_spans(last, now) for minute in range(10, 20)]
    assert judge(past(inside) | begun, last, now) is True
    assert judge(past(inside[:-1]) | begun, last, now) is True
    fewer = [time for time in inside if time.minute != 15]
    assert judge(past(fewer) | begun, last, now) is False


def test_only_silences_of_half_an_hour_to_a_week_are_looked_at() -> None:
    spans = (29 * MINUTE, 30 * MINUTE, WEEK, WEEK + MINUTE)
    assert [is_quiet(MONDAY - span, MONDAY) for span in spans] == [False, True, True, False]


@pytest.mark.parametrize(
    ("counts", "unusual", "trouble"),
    [
        ({}, None, []),
        ({"applied": 5}, False, []),
        ({}, True, ["silent"]),
        ({"superseded": 18, "applied": 2}, None, []),
        ({"superseded": 19, "applied": 1}, None, ["superseded"]),
        ({"superseded": 19}, None, []),
        ({"quarantined": 2}, None, []),
        ({"quarantined": 3, "applied": 297}, None, []),
        ({"quarantined": 3, "applied": 296}, None, ["refused"]),
    ],
)
def test_trouble_is_a_share_of_enough_deliveries(
    counts: dict[str, int], unusual: bool | None, trouble: list[str]
) -> None:
    assert troubles_of(counts, Judged(unusual, 0, 4)) == trouble


def test_two_samples_are_one() -> None:
    one, other = Distances(10.0, 1.0, 5.0, 9.0, 3), Distances(12.0, -1.0, 4.0, 3.0, 2)
    assert merged(one, other) == merged(other, one) == Distances(12.0, -1.0, 5.0, 12.0, 5)
