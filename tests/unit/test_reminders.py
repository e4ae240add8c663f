"""Reminders: each occurrence is told of once, what is counted again after a while, and in both languages."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rules.mail_server import read_mail_server
from rules.reminder_texts import LANGUAGES, reminder_text
from rules.reminders import Noted, Occurrence, ReminderKind, due, overdue_pauses, retry_after
from rules.switches import Switch, Switches

NOW = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
OFF = Switch("main", "prices", True, "a new list", "ana", NOW - 2 * HOUR, None, 3, NOW - 2 * HOUR)
QUARANTINED = ReminderKind.QUARANTINED


def overdue(switch: Switch, after: timedelta = HOUR) -> list[str]:
    return [found.key for found in overdue_pauses(Switches(3, NOW, {switch.scope: switch}), after)]


@pytest.mark.parametrize(
    ("changes", "is_overdue"),
    [
        ({}, True),
        ({"since": NOW - HOUR / 2}, False),
        ({"until": NOW + HOUR}, False),
        # Its end was put off, or taken away: what was planned first counts.
        ({"until": NOW + HOUR, "until_before": NOW - HOUR}, True),
        ({"until": None, "until_before": NOW - HOUR}, True),
        ({"until": None, "until_before": NOW + HOUR}, False),
        # It was brought forward: it ends before what was planned.
        ({"until": NOW + HOUR / 2, "until_before": NOW + HOUR}, False),
        ({"off": False}, False),
    ],
)
def test_a_pause_is_overdue_past_its_first_end_or_long_without_one(
    changes: dict[str, object], is_overdue: bool
) -> None:
    assert bool(overdue(replace(OFF, **changes))) is is_overdue  # type: ignore[arg-type]


def test_the_same_pause_is_one_occurrence_and_another_end_is_another() -> None:
    assert overdue(OFF) == overdue(replace(OFF, reason="another", epoch=4))
    assert overdue(OFF) != overdue(replace(OFF, until_before=NOW - HOUR / 2))


def test_an_occurrence_is_told_of_once() -> None:
    ended = Occurrence("5 main/*", "main", "*")
    first = due(ReminderKind.ENDED, [ended], {}, NOW)
    assert first.tell == [ended]
    assert due(ReminderKind.ENDED, [ended], first.note, NOW + 9 * HOUR) == ([], {}, set())
    assert due(ReminderKind.ENDED, [], first.note, NOW).forget == {ended.key}


def test_what_is_counted_is_told_of_again_when_it_has_grown_for_an_hour() -> None:
    noted = {"main": Noted(3, NOW - HOUR / 2)}
    assert due(QUARANTINED, [Occurrence("main", "main", "", 9)], noted, NOW).tell == []
    assert due(QUARANTINED, [Occurrence("main", "main", "", 9)], noted, NOW + HOUR).tell
    assert due(QUARANTINED, [Occurrence("main", "main", "", 3)], noted, NOW + HOUR).tell == []
    assert due(QUARANTINED, [Occurrence("main", "main", "", 1)], noted, NOW).note == {
        "main": Noted(1, noted["main"].at)
    }


def test_what_comes_and_goes_is_not_told_of_each_time() -> None:
    gone = due(QUARANTINED, [], {"main": Noted(3, NOW - HOUR / 2)}, NOW)
    assert gone == ([], {"main": Noted(0, NOW - HOUR / 2)}, set())
    assert due(QUARANTINED, [Occurrence("main", "main", "")], gone.note, NOW).tell == []
    assert due(QUARANTINED, [], gone.note, NOW + HOUR).forget == {"main"}


def test_many_shops_with_one_trouble_are_told_of_together() -> None:
    noted = {"a": Noted(1, NOW)}
    shops = [Occurrence(name, name, "") for name in ("a", "b", "c")]
    assert due(QUARANTINED, shops, noted, NOW + timedelta(minutes=1)).tell == []
    assert due(QUARANTINED, shops, noted, NOW + timedelta(minutes=10)).tell == shops[1:]


def test_waits_grow_up_to_an_hour() -> None:
    assert [retry_after(n).total_seconds() for n in (1, 2, 3, 8, 500)] == [30, 60, 120, 3600, 3600]


@pytest.mark.parametrize("kind", list(ReminderKind))
def test_every_kind_has_a_text_in_both_languages(kind: ReminderKind) -> None:
    one = Occurrence("k", "*", "prices", 1, {"since": NOW, "by": "ana", "reason": "a\nlist", "missed": 7})
    texts = {language: reminder_text(kind, [one], language, "https://shop.example/x") for language in LANGUAGES}
    assert texts["en"].subject != texts["pt-BR"].subject
    assert texts["en"].subject.endswith("every shop, prices")
    assert texts["pt-BR"].subject.endswith("todas as lojas, preços")
    assert "off since 2026-11-23 20:00 UTC; by ana; reason: a list; 7 keys missed" in texts["en"].body
    assert "desligada desde 23/11/2026 20:00 UTC; por ana; motivo: a list; 7 chaves" in texts["pt-BR"].body
    assert all(text.body.endswith("https://shop.example/x") for text in texts.values())


def test_a_long_reminder_names_some_and_counts_the_others() -> None:
    shops = [Occurrence(f"s{number}", f"s{number}", "", 2) for number in range(30)]
    text = reminder_text(ReminderKind.STUCK, shops, "en", None)
    assert text.subject == "Orders stuck: 60"
    assert "- s19: 2\n- and 10 more\n" in text.body


def test_a_mail_server_is_read_from_its_url() -> None:
    server = read_mail_server("smtps://ana:p%40ss@mail.shop.example?from=c@shop.example&to=a@x.example,b@x.example")
    assert (server.host, server.port, server.implicit_tls) == ("mail.shop.example", 465, True)
    assert (server.sender, server.recipients) == ("c@shop.example", ("a@x.example", "b@x.example"))
    assert (server.user, server.password) == ("ana", "p@ss")
    assert "p@ss" not in f"{server!r} {server}"


@pytest.mark.parametrize(
    "url",
    [
        "mail.example",
        "http://mail.example?from=a@b.c&to=a@b.c",
        "smtp://mail.example",
        "smtp://mail.example?from=a@b.c",
        "smtp://mail.example?from=a@b.c,d@b.c&to=a@b.c",
        "smtp://mail.example?from=a@b.c&to=hunter2",
        "smtp://mail.example?from=a@b.c&to=a@b.c%0d%0aBcc:x@y.z",
        "smtp://mail.example?from=a@b.c&to=a@b.c&hunter2=1",
        "smtp://ana@mail.example?from=a@b.c&to=a@b.c",
        "smtp://ana:hunter2@mail.example/path?from=a@b.c&to=a@b.c",
        "smtp://ana:hun@ter2@mail.example?from=a@b.c&to=a@b.c",
        "smtp://one.example,two.example?from=a@b.c&to=a@b.c",
    ],
)
def test_a_mail_server_that_cannot_be_used_is_explained_without_its_secrets(url: str) -> None:
    with pytest.raises(ValueError, match="must be smtp://") as error:
        read_mail_server(url)
    assert "hunter2" not in str(error.value)
