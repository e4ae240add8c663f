"""Steps of a load's settlement on SQLite and on PostgreSQL: what each does inside the fence, and what comes between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import pairwise

import pytest
from sqlalchemy import Connection

from storage.fence import Fence
from storage.load_settlement import LoadSettlement
from tests.support.load_harness import LoadHarness, product
from tests.support.sent_statements import sent_statements


class WatchedFence:
    """A fence that knows whether it is held, and calls `between` after whatever was done outside of it."""

    def __init__(self, fence: Fence) -> None:
        self._fence = fence
        self.is_held = False
        self.between: Callable[[], object] = lambda: None
        self.exclusive, self.snapshot, self.glance = fence.exclusive, fence.snapshot, fence.glance

    @contextmanager
    def shared(self) -> Iterator[Connection]:
        with self._fence.shared() as connection:
            self.is_held = True
            try:
                yield connection
            finally:
                self.is_held = False

    @contextmanager
    def outside(self) -> Iterator[Connection]:
        with self._fence.outside() as connection:
            yield connection
        self.between()


@pytest.fixture
def fence(place: LoadHarness) -> WatchedFence:
    """The fence of the settlement; its pages have two rows."""
    fence = WatchedFence(place.fence)
    place.settlement = LoadSettlement(fence, page=2)
    return fence


def complete_chunk(place: LoadHarness) -> None:
    """Complete a chunk that has not named B."""
    place.send(*(product(10, key) for key in "ABC"))
    place.begin()
    place.announce(1, None, None, 2)
    place.send(product(10, "A", "L", 1), product(10, "C", "L", 1))


def test_rows_are_counted_and_keys_forgotten_outside_the_fence(place: LoadHarness, fence: WatchedFence) -> None:
    keys = [f"{number:03}" for number in range(30)]
    place.send(*(product(10, key) for key in keys))
    place.begin()
    place.announce(1, None, None, len(keys))
    place.complete(len(keys), 1)
    place.send(*(product(20, key, "L", 1) for key in keys))
    with noted(place, fence) as held:
        place.settle()
    assert (place.state(), place.remembered_keys()) == ("completed", 0)
    assert held
    assert not [statement for statement in held if "FROM products" in statement or "load_keys" in statement]


def noted(place: LoadHarness, fence: WatchedFence) -> AbstractContextManager[list[str]]:
    """Note the statements that are sent while the fence is held."""
    return sent_statements(place.engine, counts=lambda: fence.is_held)


def test_a_pause_after_the_count_stops_the_step(place: LoadHarness, fence: WatchedFence) -> None:
    complete_chunk(place)
    fence.between = lambda: place.change("pause", domains=["products"])
    assert not place.settlement.step()
    assert place.chunk(1).state == "complete"
    fence.between = lambda: None
    place.change("resume", domains=["products"])
    place.settle()
    assert place.live() == {"A", "C"}


def test_a_chunk_that_is_read_again_after_the_count_is_not_settled(place: LoadHarness, fence: WatchedFence) -> None:
    complete_chunk(place)
    fence.between = lambda: place.announce(1, None, None, 1, version=110)
    assert place.settlement.step()
    fence.between = lambda: None
    place.settle()
    assert (place.chunk(1).state, place.live()) == ("open", {"A", "B", "C"})
    place.send(product(10, "B", "L", 1))
    place.settle()
    assert place.live() == {"B"}


def test_a_load_that_is_superseded_after_the_count_deletes_nothing(place: LoadHarness, fence: WatchedFence) -> None:
    complete_chunk(place)
    place.settlement.step()
    assert place.chunk(1).state == "counted"
    fence.between = lambda: place.begin("newer", 200)
    place.settlement.step()
    assert place.state() == "superseded"
    place.settle()
    assert place.live() == {"A", "B", "C"}


def test_a_step_writes_at_most_250_tombstones(place: LoadHarness) -> None:
    place.settlement = LoadSettlement(place.fence, max_deletes=100.0)
    keys = [f"{number:03}" for number in range(700)]
    place.send(*(product(10, key) for key in keys))
    place.begin()
    place.complete(1)
    place.send(product(10, "300", "L"))
    deleted = [0]
    while place.settlement.step():
        deleted.append(place.stored().load.deleted)
    steps = [after - before for before, after in pairwise(deleted)]
    assert max(steps) <= 250
    assert (place.live(), deleted[-1], place.state()) == ({"300"}, 699, "completed")
