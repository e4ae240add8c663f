"""Chunks of full loads on SQLite and on PostgreSQL: what each deletes, and what keeps it from deleting."""

from __future__ import annotations

from rules.outcomes import Outcome
from tests.support.load_harness import LoadHarness, load_message, product


def test_a_chunk_deletes_in_its_own_range_only(place: LoadHarness) -> None:
    place.send(*(product(10, key) for key in "ABCDEFGH"))
    place.begin()
    place.announce(2, ["C"], ["F"], 1)
    place.send(product(10, "D", "L", 2))
    place.settle()
    assert place.live() == set("ABDFGH")
    assert place.state() == "running"
    assert place.chunk(2).deleted == 2


def test_a_chunk_with_a_discarded_event_deletes_nothing_and_can_be_sent_again_alone(place: LoadHarness) -> None:
    place.send(*(product(10, key) for key in "ABCDE"))
    place.begin()
    place.announce(1, None, ["C"], 1)
    place.announce(2, ["C"], None, 2)
    place.send(product(10, "A", "L", 1), product(10, "C", "L", 2))
    place.change("pause", domains=["products"])
    assert place.send(product(20, "D", "L", 2)) == {Outcome.DISCARDED: 1}
    # The first chunk had all its keys before the pause, and yet nothing is deleted while it lasts.
    assert place.complete(3, 2) == {Outcome.APPLIED: 1}
    assert place.settle() == 0
    assert place.live() == set("ABCDE")
    place.change("resume", domains=["products"])
    place.settle()
    assert place.live() == set("ACDE")
    assert (place.chunk(2).state, place.chunk(2).reason) == ("incomplete", "discarded")
    assert place.missed_keys() == 1
    place.send(product(10, "C", "L", 2), product(20, "D", "L", 2))
    place.settle()
    assert place.live() == set("ACD")
    assert (place.state(), place.missed_keys()) == ("completed", 0)


def test_a_chunk_that_is_read_again_is_counted_anew_from_its_announcement(place: LoadHarness) -> None:
    place.send(*(product(10, key) for key in "ABCD"))
    place.begin()
    place.announce(1, None, None, 3)
    place.send(product(10, "A", "L", 1), product(10, "B", "L", 1))
    # C was refused. Meanwhile the ERP has deleted A, and reads the chunk again.
    place.announce(1, None, None, 2, version=110)
    place.send(product(10, "B", "L", 1))
    place.settle()
    assert place.live() == set("ABCD")
    place.send(product(105, "C", "L", 1))
    place.settle()
    assert place.versions() == {"A": (110, True), "B": (10, False), "C": (105, False), "D": (110, True)}
    # The older announcement, delivered again, changes nothing; another one of this version is a mistake.
    assert place.announce(1, None, None, 3) == {Outcome.SUPERSEDED: 1}


def test_a_chunk_that_is_read_again_is_counted_anew_within_one_batch_too(place: LoadHarness) -> None:
    place.send(*(product(10, key) for key in "ABC"))
    said = {"load_id": "L", "chunk": 1, "from": None, "to": None, "count": 2}
    first, again = (load_message("chunk", **said, version=version) for version in ("100", "110"))
    place.begin()
    # A is deleted in the ERP between the two readings, and C comes a batch later.
    place.send(first, product(10, "A", "L", 1), again, product(10, "B", "L", 1))
    place.settle()
    assert place.live() == set("ABC")
    place.send(product(10, "C", "L", 1))
    place.settle()
    assert place.versions() == {"A": (110, True), "B": (10, False), "C": (10, False)}


def test_an_announcement_that_contradicts_an_earlier_one_is_quarantined(place: LoadHarness) -> None:
    place.begin()
    assert place.begin() == {Outcome.SUPERSEDED: 1}
    assert place.begin(version=101) == {Outcome.QUARANTINED: 1}
    place.announce(1, None, ["C"], 3)
    assert place.announce(1, None, ["D"], 3) == {Outcome.QUARANTINED: 1}
    place.complete(3, 1)
    assert place.complete(4, 1) == {Outcome.QUARANTINED: 1}
    assert place.chunk(1).count == 3


def test_more_keys_than_announced_delete_nothing(place: LoadHarness) -> None:
    place.send(product(10, "Z"))
    place.begin()
    place.announce(1, None, None, 1)
    place.send(product(10, "A", "L", 1), product(10, "B", "L", 1))
    place.settle()
    assert (place.chunk(1).state, place.chunk(1).reason) == ("incomplete", "too_many_keys")
    assert "Z" in place.live()


def test_a_quarantined_event_spoils_its_own_chunk_only(place: LoadHarness) -> None:
    place.send(*(product(10, key) for key in "ABCD"))
    place.begin()
    place.announce(1, None, ["C"], 1)
    place.announce(2, ["C"], None, 1)
    # The feed's versions are sequences.
    by_time = product(0, "C", "L", 2, sequence=None)
    assert place.send(product(10, "A", "L", 1), by_time) == {Outcome.SUPERSEDED: 1, Outcome.QUARANTINED: 1}
    place.complete(2, 2)
    place.settle()
    assert place.live() == set("ACD")
    assert (place.chunk(2).state, place.chunk(2).reason) == ("incomplete", "quarantined")
    assert place.state() == "running"


def test_an_empty_chunk_deletes_its_range_once_the_load_has_rows(place: LoadHarness) -> None:
    place.send(*(product(10, key) for key in "ABCD"))
    place.begin()
    place.announce(1, None, ["C"], 0)
    place.settle()
    assert place.live() == set("ABCD")
    place.announce(2, ["C"], None, 1)
    place.send(product(10, "C", "L", 2))
    place.settle()
    assert place.live() == {"C"}


def test_a_load_with_chunks_has_no_chunk_of_everything(place: LoadHarness) -> None:
    place.begin()
    place.announce(1, None, None, 1)
    place.send(product(10, "A", "L", 1))
    place.complete(1, 1)
    place.settle()
    assert place.chunk_states() == {1: "settled"}
    place.begin("M", 200)
    assert place.chunk_states("M") == {}
    place.complete(0, load="M")
    assert place.chunk_states("M") == {0: "complete"}
