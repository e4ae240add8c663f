"""How the page writes: digits are never lost, spans are short, JSON is laid out unread, reminders fit any calendar."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import cast

import pytest
from babel import Locale
from hypothesis import given
from hypothesis import strategies as some

from comporta.runtime.metrics import RecentLags, WorkMetrics
from comporta.web.off_history import periods
from comporta.web.pages.charts import points, rates
from comporta.web.pages.formats import duration, indented, lag, number, size, stamp
from comporta.web.pages.icalendar import reminder
from schemas.control import SwitchState
from storage.views import AuditRow, LedgerRow

PORTUGUESE, ENGLISH = Locale("pt", "BR"), Locale("en")
NOW = datetime(2026, 11, 23, 15, 6, 38, tzinfo=UTC)


@given(some.integers(min_value=0, max_value=2**63))
def test_a_whole_number_keeps_every_digit(value: int) -> None:
    assert number(value, PORTUGUESE).replace(".", "") == number(value, ENGLISH).replace(",", "") == str(value)


def test_numbers_are_written_as_the_language_does() -> None:
    assert number(1234567, PORTUGUESE) == "1.234.567"
    assert number(Decimal("1234.5600000001"), PORTUGUESE) == "1.234,5600000001"
    assert number(Decimal("1234.56"), ENGLISH) == "1,234.56"


def test_a_time_has_its_seconds_and_its_zone() -> None:
    assert stamp(NOW, PORTUGUESE) == "23/11/2026 15:06:38 UTC"
    assert stamp(NOW.astimezone(), ENGLISH) == "2026-11-23 15:06:38 UTC"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0 s"), (0, "0 s"), (59.9, "59 s"), (60, "1 min"), (3599, "59 min"), (3600, "1 h"), (3900, "1 h 5 min"),
     (86_400, "1 d"), (93_600, "1 d 2 h")],
)  # fmt: skip
def test_a_span_is_said_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_lag_is_said_as_exactly_as_anybody_needs_it() -> None:
    assert [lag(seconds, PORTUGUESE) for seconds in (0.0, 0.0123, 1.26, 1234.0, 7500.0)] == [
        "0 ms",
        "12 ms",
        "1,3 s",
        "1.234 s",
        "2 h 5 min",
    ]


JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_laid_out_json_means_the_same(document: object) -> None:
    text = json.dumps(document, ensure_ascii=False)
    assert json.loads(indented(text)) == document


def test_laid_out_json_keeps_its_digits_and_has_a_member_a_line() -> None:
    assert indented('{"a":1.10,"b":["x,y",{}],"c":[]}').splitlines() == [
        "{", '  "a": 1.10,', '  "b": [', '    "x,y",', "    {}", "  ],", '  "c": []', "}"
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "{", "no json", '{"a":', "\x00", "[" * 100_000])
def test_what_is_no_json_stays_as_it_is(text: str) -> None:
    assert indented(text) == text


def off(reason: str = "maintenance", until: datetime | None = NOW + timedelta(hours=1)) -> SwitchState:
    return SwitchState(shop="*", domain="*", off=True, reason=reason, by="ana", since=NOW, until=until)


def unfolded(text: str) -> dict[str, str]:
    assert text.endswith("\r\n")
    assert "\n" not in text.replace("\r\n", "")
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    lines = text.replace("\r\n ", "").removesuffix("\r\n").split("\r\n")
    assert [line for line in lines if ":" not in line] == []
    # Reversed, since the alarm says some of the event's names again.
    return {name: value for name, _, value in (line.partition(":") for line in reversed(lines))}


def test_a_reminder_stands_at_the_end_with_an_alarm_before() -> None:
    event = unfolded(reminder(off(), NOW, "off", "why", "http://x/"))
    assert (event["DTSTART"], event["DTSTAMP"], event["TRIGGER"]) == ("20261123T160638Z", "20261123T150638Z", "-PT10M")
    open_end = unfolded(reminder(off(until=None), NOW, "off", "why", "http://x/"))
    assert open_end["DTSTART"] == "20261123T160638Z"


@given(some.text(alphabet=some.characters(codec="utf-8"), max_size=300))
def test_any_reason_fits_into_a_calendar_and_comes_out_again(reason: str) -> None:
    said = unfolded(reminder(off(), NOW, "off", reason, "http://x/"))["DESCRIPTION"]
    read = re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], said)
    kept = "".join(char for char in reason.replace("\r\n", "\n") if char == "\n" or (char >= " " and char != "\x7f"))
    assert read == kept


def row(minute: int, domain: str, outcome: str, count: int) -> LedgerRow:
    at = NOW.replace(second=0) - timedelta(minutes=minute)
    return LedgerRow(at=at, shop=None, domain=domain, outcome=outcome, count=count)


def test_a_chart_has_every_minute_even_where_nothing_came() -> None:
    rows = [row(0, "stock", "applied", 3), row(2, "stock", "discarded", 5), row(2, "prices", "applied", 1)]
    found = points(rows, NOW, timedelta(minutes=1), 4)
    assert [point.counts for point in found] == [(0, 0, 0, 0), (1, 0, 5, 0), (0, 0, 0, 0), (3, 0, 0, 0)]
    assert [point.total for point in points(rows, NOW, timedelta(minutes=1), 4, "stock")] == [0, 5, 0, 3]
    assert found[-1].at == NOW.replace(second=0)


def test_a_rate_is_that_of_the_last_whole_minute() -> None:
    assert rates(
        [row(0, "stock", "applied", 3), row(1, "stock", "applied", 7), row(1, "stock", "superseded", 2)], NOW
    ) == {"stock": 9}


def test_a_lag_is_the_mean_of_the_last_minute() -> None:
    clock, metrics = [0.0], WorkMetrics()
    lags = RecentLags(metrics.lag, lambda: clock[0])
    assert lags.read() == {}
    metrics._timer("stock")[1].observe(2.0)
    clock[0] = 5.0
    assert lags.read() == {"stock": 2.0}
    clock[0] = 70.0
    metrics._timer("stock")[1].observe(4.0)
    assert lags.read() == {"stock": 4.0}
    clock[0] = 140.0
    assert lags.read() == {}


def turn(minute: int, result: str, *domains: str, shop: str = "*") -> AuditRow:
    at = NOW + timedelta(minutes=minute)
    return cast(AuditRow, {"at": at, "epoch": minute, "shop": shop, "domains": list(domains), "result": result})


def test_a_period_lasts_from_a_switch_being_off_until_it_is_on_again() -> None:
    turns = [
        turn(1, "on", "images"),  # Of a pause from before what is looked at.
        turn(2, "off", "stock", "prices"),
        turn(3, "unchanged", "stock"),
        turn(4, "off", "stock", shop="main"),
        turn(5, "refused", "stock"),
        turn(6, "on", "stock"),
        turn(7, "off", "stock"),
    ]
    found = [(each.shop, each.domain, each.since, each.until) for each in periods(reversed(turns))]
    minutes = [NOW + timedelta(minutes=minute) for minute in range(8)]
    assert found == [
        ("*", "stock", minutes[2], minutes[6]),
        ("*", "prices", minutes[2], None),
        ("main", "stock", minutes[4], None),
        ("*", "stock", minutes[7], None),
    ]


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 kB"), (12, "0,1 kB"), (1_240, "1,2 kB"), (999_940, "999,9 kB"), (1_250_000, "1,2 MB")],
)
def test_a_size_is_said_in_units_that_people_know(count: int, text: str) -> None:
    assert size(count, PORTUGUESE) == text
