"""Full loads beside other features: their tombstones in the change feed, and the removal of their shop."""

from __future__ import annotations

import orjson
from sqlalchemy import func, select

from control.shops import ShopActions
from rules.actions import AuditContext
from storage.changes import ChangeFeed, read_changes
from storage.load_tables import load_chunks
from tests.support.load_harness import LoadHarness, product


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


def test_a_missed_key_without_a_row_that_a_load_settles_is_recorded(place: LoadHarness) -> None:
    ChangeFeed(place.fence).switch(on=True)
    place.change("pause", domains=["products"])
    place.send(product(20, "Z"))
    place.change("resume", domains=["products"])
    place.begin(version=100)
    place.send(product(10, "A", "L"))
    place.complete(1)
    place.settle()
    assert (place.state(), place.missed_keys()) == ("completed", 0)
    with place.fence.snapshot() as connection:
        changes = [(orjson.loads(row.key)["code"], row.version, row.deleted) for row in read_changes(connection, 0, 99)]
    assert changes == [("A", 10, False), ("Z", 100, True)]


def test_a_removed_shop_leaves_nothing_of_its_loads(place: LoadHarness) -> None:
    place.begin(version=100)
    place.announce(1, None, ["M"], 2)
    place.send(product(10, "A", "L", 1))
    assert place.remembered_keys() == 1
    ShopActions(place.fence).remove("main", AuditContext("ana", "cli", "closed"), force=True)
    with place.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(load_chunks)) == 0
    assert place.remembered_keys() == 0
    assert place.settle() == 0
