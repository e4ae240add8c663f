"""Full loads on SQLite and on PostgreSQL: what a load deletes, and everything that keeps it from deleting."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from rules.outcomes import Outcome
from schemas.events import ChangeEvent
from schemas.full_load import parse_message
from schemas.key_ranges import read_range
from schemas.load_parts import WHOLE, LoadPart
from storage.entities import event_value
from storage.load_settlement import LoadSettlement
from tests.support.event_samples import sample_event
from tests.support.load_harness import LoadHarness, load_message, product


def test_what_the_whole_load_did_not_name_becomes_a_tombstone_at_its_version(place: LoadHarness) -> None:
    place.send(*(product(10, key) for key in "ABCDE"))
    place.begin(version=100)
    place.send(product(10, "A", "L"), product(50, "B", "L"), product(101, "F", "L"))
    place.settle()
    assert place.live() == set("ABCDEF")
    place.complete(3)
    place.settle()
    assert place.live() == set("ABF")
    assert place.versions()["C"] == (100, True)
    assert place.state() == "completed"
    assert place.remembered_keys() == 0
    assert place.stored().load.deleted == 3


def test_a_later_live_event_wins_and_an_older_one_does_not(place: LoadHarness) -> None:
    place.send(product(10, "A"), product(10, "B"), product(120, "C"))
    place.begin()
    place.send(product(10, "A", "L"))
    place.complete(1)
    place.settle()
    assert place.versions() == {"A": (10, False), "B": (100, True), "C": (120, False)}
    # Even an event of the load's own version, whatever its id: the ERP had it before it began to read.
    assert place.send(product(100, "B", id="zzz")) == {Outcome.SUPERSEDED: 1}
    assert place.send(product(101, "B")) == {Outcome.APPLIED: 1}


def test_a_load_that_is_sent_again_changes_nothing(place: LoadHarness) -> None:
    place.send(*(product(10, key) for key in "ABC"))
    for _ in range(2):
        place.begin()
        place.announce(1, None, ["C"], 1)
        place.send(product(10, "A", "L", 1))
        place.settle()
        assert place.versions() == {"A": (10, False), "B": (100, True), "C": (10, False)}
    assert place.chunk(1).deleted == 1
    assert place.announce(1, None, None, 1, version=200) == {Outcome.SUPERSEDED: 1}
    place.settle()
    assert place.live() == {"A", "C"}
    assert place.remembered_keys() == 0


@pytest.mark.parametrize("order", ["announced first", "announced last", "completed first"])
def test_the_order_of_arrival_decides_nothing(place: LoadHarness, order: str) -> None:
    place.send(*(product(10, key) for key in "ABCD"))
    messages = [
        load_message("begun", load_id="L", version="100"),
        load_message("chunk", load_id="L", chunk=1, version="100", to=["C"], count=1),
        load_message("chunk", load_id="L", chunk=2, version="100", **{"from": ["C"]}, count=1),
        load_message("completed", load_id="L", chunks=2, count=2),
    ]
    events = [product(10, "A", "L", 1), product(10, "D", "L", 2)]
    sent = [*events, *messages] if order == "announced last" else [*messages, *events]
    if order == "completed first":
        sent.insert(0, sent.pop(3))
    for item in sent:
        place.settle()
        place.send(item)
    place.settle()
    assert place.live() == {"A", "D"}
    assert place.state() == "completed"


def test_a_superseded_event_and_one_beside_a_newer_of_its_key_count_as_seen(place: LoadHarness) -> None:
    place.send(product(130, "A"), product(10, "C"))
    place.begin()
    place.complete(2)
    # Of B the batch keeps only the live event.
    assert place.send(product(90, "A", "L"), product(90, "B", "L"), product(95, "B")) == {
        Outcome.APPLIED: 1,
        Outcome.SUPERSEDED: 2,
    }
    place.settle()
    assert place.versions() == {"A": (130, False), "B": (95, False), "C": (100, True)}


def test_a_key_that_comes_twice_counts_once(place: LoadHarness) -> None:
    place.send(product(10, "C"))
    place.begin()
    place.complete(2)
    place.send(product(10, "A", "L"), product(10, "A", "L"))
    place.send(product(10, "A", "L"))
    place.settle()
    assert place.live() == {"A", "C"}
    place.send(product(10, "B", "L"))
    place.settle()
    assert place.live() == {"A", "B"}


def test_the_newer_of_two_loads_wins_and_the_older_is_superseded(place: LoadHarness) -> None:
    place.send(*(product(10, key) for key in "ABCD"))
    place.begin("old", 100)
    place.begin("new", 200)
    place.begin("other domain", 50, domain="stock")
    place.settle()
    assert (place.state("old"), place.state("new")) == ("superseded", "running")
    place.send(product(10, "A", "old"))
    place.complete(1, load="old")
    place.settle()
    assert place.live() == set("ABCD")
    place.send(product(10, "B", "new"))
    place.complete(1, load="new")
    place.settle()
    assert place.versions() == {"A": (200, True), "B": (10, False), "C": (200, True), "D": (200, True)}
    assert place.state("other domain", domain="stock") == "running"
    assert place.remembered_keys() == 0


def test_an_older_load_that_begins_later_is_superseded_at_once(place: LoadHarness) -> None:
    place.send(product(10, "A"))
    place.begin("new", 200)
    place.send(product(10, "B", "old"))
    place.complete(1, load="old")
    place.begin("old", 100)
    place.settle()
    assert (place.state("old"), place.live()) == ("superseded", {"A", "B"})


def test_a_load_of_no_rows_deletes_nothing(place: LoadHarness) -> None:
    place.send(*(product(10, key) for key in "AB"))
    place.begin()
    place.complete(0)
    place.settle()
    assert (place.state(), place.live()) == ("completed", {"A", "B"})
    place.begin("M", 101)
    place.announce(1, None, None, 0, load="M")
    place.settle()
    assert place.live() == {"A", "B"}
    place.complete(0, 1, load="M")
    place.settle()
    assert (place.state("M"), place.live()) == ("completed", {"A", "B"})


def test_nothing_is_deleted_before_the_load_has_begun(place: LoadHarness) -> None:
    place.send(product(10, "B"))
    place.announce(1, None, None, 1)
    place.send(product(10, "A", "L", 1))
    place.complete(1, 1)
    place.settle()
    assert place.live() == {"A", "B"}
    place.begin()
    place.settle()
    assert (place.live(), place.state()) == ({"A"}, "completed")


def test_shops_and_domains_do_not_touch_each_other(place: LoadHarness) -> None:
    place.send(product(10, "A"), product(10, "A", shop="other"))
    place.begin()
    place.send(product(10, "B", "L"))
    place.complete(1)
    place.settle()
    assert (place.live(), place.live(shop="other")) == ({"B"}, {"A"})


def test_a_key_deleted_by_the_load_leaves_the_missed_list_with_or_without_a_row(place: LoadHarness) -> None:
    place.send(product(10, "A"), product(10, "B"))
    place.change("pause", domains=["products"])
    place.send(product(20, "A"), product(20, "B"), product(20, "new"), product(150, "later"))
    place.change("resume", domains=["products"])
    assert place.missed_keys() == 4
    place.begin()
    place.send(product(20, "A", "L"))
    place.complete(1)
    place.settle()
    # The ERP no longer has B and `new`; of `later` the load could not know.
    assert place.versions() == {"A": (20, False), "B": (100, True), "new": (100, True)}
    assert place.missed_keys() == 1


def test_a_load_of_time_versions_too_far_ahead_is_quarantined(place: LoadHarness) -> None:
    place.send(product(0, "A", sequence=None))
    assert place.begin(version=4_000_000_000_000_000) == {Outcome.QUARANTINED: 1}
    place.send(load_message("begun", load_id="L", version="4000000000000000", shop="sequences"))
    assert place.state(shop="sequences") == "running"


def test_composite_keys_and_ranges_compare_by_bytes_numbers_and_instants(place: LoadHarness) -> None:
    """What a pair of bounds covers is the same in Python and in both databases."""
    keys = [
        {"table_code": table, "product_code": code, "min_qty": quantity, "valid_from": since}
        for table in ("A", "B")
        for code in ("Z", "a", "É", "\U0001f600")
        for quantity, since in (("2", "2026-01-01T00:00:00Z"), ("10", "2026-01-01T00:00:00.5Z"), ("1.5", None))
    ]
    events = [price(10, key) for key in keys]
    place.send(*events)
    named = events[4]
    place.begin(domain="prices")
    bounds = ["A", "a", "", "2"], ["A", "\U0001f600", "", "10", "2025-12-31T21:00:00.5-03:00"]
    place.announce(1, *bounds, 1, domain="prices")
    place.send(price(10, keys[4], "L", 1))
    place.settle()
    within = read_range("prices", *map(list, bounds))
    expected = [event.key for event in events if within.holds("prices", event.key) and event.key != named.key]
    deleted = {event.key for event in events} - {tuple(map(event_value, key)) for key in place.live("prices")}
    assert deleted == set(expected)
    # From É on all that has another beginning; of a only from 2 on, of the last not the quantity 10.
    expected_texts = ["a2", "É1.5", "É10", "É2", "\U0001f6001.5", "\U0001f6002"]
    assert sorted(str(key[1] + key[3]) for key in deleted) == expected_texts


def price(version: int, key: dict[str, Any], load: str | None = None, chunk: int | None = None) -> ChangeEvent:
    said = {"sequence": str(version), "loadid": load, "loadchunk": chunk}
    body = sample_event("prices", envelope=said, **{name: value for name, value in key.items() if value is not None})
    event = parse_message("prices", "main", body)
    assert isinstance(event, ChangeEvent)
    return event


def test_a_load_of_which_nothing_comes_any_more_expires(place: LoadHarness) -> None:
    place.send(product(10, "A"))
    place.begin()
    place.announce(1, None, None, 2)
    place.send(product(10, "B", "L", 1))
    place.settle()
    assert place.state() == "running"
    place.settlement = LoadSettlement(place.fence, timeout=timedelta(0))
    place.change("pause")
    place.settle()
    # A pause stops the clock.
    assert place.state() == "running"
    place.change("resume")
    place.settle()
    assert (place.state(), place.live()) == ("expired", {"A", "B"})
    assert (place.chunk(1).state, place.chunk(1).reason) == ("incomplete", "missing")
    assert place.remembered_keys() == 0
    place.send(product(10, "A", "L", 1))
    assert place.remembered_keys() == 0


@pytest.mark.slow
def test_a_load_of_many_keys_is_exact(place: LoadHarness) -> None:
    """Three sets of keys: named, deleted, and changed by live events while the load runs."""
    number = 100_000 if place.engine.dialect.name == "sqlite" else 20_000
    place.settlement = LoadSettlement(place.fence)
    first = product(10, "0")

    def events(versions: dict[int, int], load: str | None = None) -> None:
        for start in range(0, number, 5_000):
            place.send(
                *(changed(first, key, versions[key], load) for key in range(start, start + 5_000) if key in versions)
            )

    events(dict.fromkeys(range(number), 10))
    place.begin()
    events({key: 10 for key in range(number) if key % 10}, "L")
    events(dict.fromkeys(range(0, number, 100), 200))
    place.complete(number * 9 // 10)
    place.settle()
    expected = {
        key: (200, False) if key % 100 == 0 else (10, False) if key % 10 else (100, True) for key in range(number)
    }
    assert {int(key): row for key, row in place.versions().items()} == expected
    assert (place.state(), place.remembered_keys()) == ("completed", 0)


def changed(like: ChangeEvent, key: int, version: int, load: str | None) -> ChangeEvent:
    """Make another event of one, faster than its text is parsed."""
    part, code = None if load is None else LoadPart(load, WHOLE), f"{key:06}"
    data = like.data.model_copy(update={"code": code})
    return like._replace(key=(code,), version=version, event_id=f"{load}-{version}", data=data, load=part)


def test_a_newer_load_that_is_complete_at_once_supersedes_the_older_one_all_the_same(place: LoadHarness) -> None:
    place.begin("z", 100)
    place.begin("a", 200)
    place.send(product(10, "A", "a"))
    place.complete(1, load="a")
    place.settle()
    assert (place.state("a"), place.state("z")) == ("completed", "superseded")
