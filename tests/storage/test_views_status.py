"""The status document stays quick and true, however much there is to count."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import cast

import pytest
from sqlalchemy import Connection

from storage.errors import SchemaOutdated, Unavailable
from storage.tables import missed
from storage.views.cached_counts import Recount
from tests.support.views_harness import START, ViewsHarness, rejected_delivery
from tests.support.wait import wait_until


@pytest.fixture
def harness(any_database_url: str) -> Iterator[ViewsHarness]:
    harness = ViewsHarness(any_database_url)
    yield harness
    harness.engine.dispose()


class CountedTable:
    """Something that takes its time to count, and says how often it was."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.counted = 0
        self.fails = False
        self.going = threading.Event()
        self.going.set()

    def count(self, _: Connection | None = None) -> dict[str, dict[str, int]]:
        self.going.wait()
        self.counted += 1
        if self.fails:
            raise Unavailable("away")
        return {"main": {"stock": self.rows}}


def recounting(table: CountedTable) -> Callable[[], dict[str, dict[str, int]]]:
    """Counts of this table; a connection is not needed to count it."""
    recount = Recount(table.count, nullcontext)  # type: ignore[arg-type]
    return lambda: recount(cast(Connection, None))


def test_a_few_rows_are_counted_at_every_look() -> None:
    table = CountedTable(20_000)
    recount = recounting(table)
    for rows in (20_000, 19_999, 5):
        table.rows = rows
        assert recount() == {"main": {"stock": rows}}


def test_many_rows_are_counted_behind_the_answer() -> None:
    table = CountedTable(20_001)
    recount = recounting(table)
    assert [recount()["main"]["stock"] for _ in range(50)] == [20_001] * 50
    assert table.counted == 1
    table.rows = 30_000
    wait_until(lambda: recount()["main"]["stock"] == 30_000, what="the new count")


def test_a_count_that_hangs_is_not_begun_twice_and_its_old_answer_is_not_given_for_ever() -> None:
    table = CountedTable(50_000)
    recount = recounting(table)
    recount()
    table.going.clear()
    began = time.monotonic()
    seen = wait_until(lambda: time.monotonic() - began > 0.6 and recount(), what="an answer while it is counted")
    assert seen == {"main": {"stock": 50_000}}
    table.rows = 60_000
    waiting = threading.Thread(target=lambda: wait_until(lambda: recount()["main"]["stock"] == 60_000))
    waiting.start()
    table.going.set()
    waiting.join(10)
    assert not waiting.is_alive()
    assert table.counted <= 4


def test_a_count_that_fails_behind_the_answer_is_tried_again() -> None:
    table = CountedTable(50_000)
    recount = recounting(table)
    recount()
    table.fails = True

    def fails() -> bool:
        try:
            recount()
        except Unavailable:
            return True
        return False

    wait_until(fails, what="the failure to be told, once the old answer is too old")
    table.fails = False
    assert recount() == {"main": {"stock": 50_000}}


def test_the_status_counts_what_there_is(harness: ViewsHarness) -> None:
    harness.accept_orders("a", "b")
    harness.accept_orders("c", shop="other")
    harness.set_order("b", state="internalized")
    harness.discard("P1")
    harness.store.commit([rejected_delivery(), rejected_delivery(domain="?", shop="?")])
    status = harness.views.status()
    assert status.orders == {"main": {"waiting": 1, "internalized": 1}, "other": {"waiting": 1}}
    assert (status.missed, status.quarantined) == ({"main": {"stock": 1}}, {"?": 1, "stock": 1})
    assert status.last_minute["stock"] == {"discarded": 1, "quarantined": 1}


def test_counts_that_were_begun_ahead_are_those_of_the_next_reading_alone(harness: ViewsHarness) -> None:
    harness.accept_orders("a")
    harness.discard("P1")
    harness.views.count_ahead()
    first = harness.views.status()
    assert (first.missed, first.orders) == ({"main": {"stock": 1}}, {"main": {"waiting": 1}})
    harness.accept_orders("b")
    assert harness.views.status().orders == {"main": {"waiting": 2}}


def test_a_count_ahead_that_fails_fails_the_reading(harness: ViewsHarness) -> None:
    with harness.engine.begin() as connection:
        missed.drop(connection)
    harness.views.count_ahead()
    with pytest.raises(SchemaOutdated):
        harness.views.status()


def test_many_missed_keys_are_not_counted_at_every_look(harness: ViewsHarness) -> None:
    row = {"domain": "stock", "shop": "main", "version": 1, "event_id": "e", "discarded_at": START}
    harness.fill(missed, [{**row, "key": str(number)} for number in range(20_001)])
    assert harness.views.status().missed == {"main": {"stock": 20_001}}
    with harness.statements() as sent:
        harness.views.status()
    assert not [statement for statement in sent if "FROM missed" in statement]


def test_few_rows_are_counted_together_and_again_at_every_look(harness: ViewsHarness) -> None:
    harness.discard("P1")
    harness.views.status()
    harness.accept_orders("a")
    harness.discard("P2")
    harness.store.commit([rejected_delivery()])
    with harness.statements() as sent:
        status = harness.views.status()
    assert ["FROM missed" in each for each in sent if "FROM quarantine" in each and "FROM orders" in each] == [True]
    assert (status.missed, status.orders) == ({"main": {"stock": 2}}, {"main": {"waiting": 1}})
    assert status.quarantined == {"stock": 1}


def test_a_table_that_has_grown_is_counted_apart_from_then_on(harness: ViewsHarness) -> None:
    assert harness.views.status().missed == {}
    row = {"domain": "stock", "shop": "main", "version": 1, "event_id": "e", "discarded_at": START}
    harness.fill(missed, [{**row, "key": str(number)} for number in range(20_001)])
    assert harness.views.status().missed == {"main": {"stock": 20_001}}
    with harness.statements() as sent:
        assert harness.views.status().missed == {"main": {"stock": 20_001}}
    assert not [statement for statement in sent if "FROM missed" in statement]
