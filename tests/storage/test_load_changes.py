"""Tombstones of a full load stand in the change feed, like the changes of any batch."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import pytest

from storage.changes import ChangeFeed, read_changes
from tests.support.load_harness import LoadHarness, product


@pytest.fixture
def place(any_database_url: str) -> Iterator[LoadHarness]:
    place = LoadHarness(any_database_url)
    yield place
    place.engine.dispose()


def test_what_a_load_deletes_is_recorded(place: LoadHarness) -> None:
    ChangeFeed(place.fence).switch(on=True)
    place.send(*(product(10, key) for key in "ABCDE"))
    place.begin(version=100)
    place.send(product(10, "A", "L"), product(50, "B", "L"))
    place.complete(2)
    place.settle()
    with place.fence.snapshot() as connection:
        changes = [(orjson.loads(row.key)["code"], row.version, row.deleted) for row in read_changes(connection, 0, 99)]
    assert changes[:6] == [*((key, 10, False) for key in "ABCDE"), ("B", 50, False)]
    assert sorted(changes[6:]) == [("C", 100, True), ("D", 100, True), ("E", 100, True)]
    assert place.live() == {"A", "B"}
