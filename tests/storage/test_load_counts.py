"""Keys of a load that batches record and count in one statement: exact beside other workers, whatever they do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Connection, text

from rules.full_load import Chunk, judge_chunk
from storage.load_keys import add_keys, clear_keys
from storage.loads import StoredLoad, lock_load, write_chunk, write_load
from storage.switches import read_switches
from tests.support.load_harness import LoadHarness, product, reject_at
from tests.support.sent_statements import sent_statements
from tests.support.wait import wait_until

SCOPE = ("main", "products")
_WAITING = text("SELECT count(*) FROM pg_locks WHERE NOT granted")


@pytest.fixture
def postgres_place(database_url: str) -> Iterator[LoadHarness]:
    place = LoadHarness(database_url)
    yield place
    place.engine.dispose()


def test_keys_in_any_order_and_any_number_of_times_count_once(place: LoadHarness) -> None:
    place.send(product(10, "Z"))
    place.begin()
    place.announce(1, None, None, 5)
    for keys in ("BD", "AC", "BCD", "A", "D"):
        place.send(*(product(20, key, "L", 1) for key in keys))
    assert (place.chunk(1).seen, place.stored().load.seen, place.remembered_keys()) == (4, 4, 4)
    place.settle()
    assert place.live() == set("ABCDZ")
    place.send(product(20, "C", "L", 1), product(20, "E", "L", 1))
    place.settle()
    assert place.live() == set("ABCDE")


def test_a_batch_of_several_chunks_and_loads_is_counted_in_each(place: LoadHarness) -> None:
    place.send(*(product(10, key) for key in "XYZ"))
    place.begin()
    place.announce(1, None, ["M"], 2)
    place.announce(2, ["M"], None, 2)
    place.begin("other", shop="second")
    place.send(
        product(20, "A", "L", 1),
        product(20, "N", "L", 2),
        product(20, "B", "L", 1),
        product(20, "A", "other", shop="second"),
        product(20, "A"),
    )
    assert place.chunk_states() == {1: "complete", 2: "open"}
    assert (place.chunk(2).seen, place.stored().load.seen) == (1, 3)
    assert place.stored("other", shop="second").load.seen == 1
    place.send(product(20, "O", "L", 2))
    place.settle()
    assert place.live() == set("ABNO")


def test_a_chunk_with_more_keys_than_announced_is_incomplete(place: LoadHarness) -> None:
    place.begin()
    place.announce(1, None, None, 2)
    place.send(product(20, "A", "L", 1))
    place.send(*(product(20, key, "L", 1) for key in "BC"))
    assert (place.chunk(1).state, place.chunk(1).reason) == ("incomplete", "too_many_keys")


def test_a_batch_that_only_names_keys_of_an_open_chunk_takes_one_statement_more(postgres_place: LoadHarness) -> None:
    place = postgres_place
    place.begin()
    place.announce(1, None, None, 50)
    place.send(product(20, "A", "L", 1))
    assert statements(place, lambda: place.send(product(20, "C", "L", 1))) == 1 + statements(
        place, lambda: place.send(product(20, "D"))
    )


def test_keys_that_another_worker_records_meanwhile_count_once(postgres_place: LoadHarness) -> None:
    def record(connection: Connection, stored: StoredLoad, chunk: Chunk) -> Chunk:
        assert add_keys(connection, stored.number, 1, {"B", "C"}) == 2
        return Chunk(1, chunk.version, chunk.range, chunk.count, seen=chunk.seen + 2)

    check_beside(postgres_place, record, seen=4)
    assert postgres_place.remembered_keys() == 4


def test_keys_of_a_chunk_that_is_announced_anew_meanwhile_count_for_the_new_reading(
    postgres_place: LoadHarness,
) -> None:
    def announce(connection: Connection, stored: StoredLoad, chunk: Chunk) -> Chunk:
        clear_keys(connection, stored.number, 1)
        # As many keys as before.
        assert add_keys(connection, stored.number, 1, {"B"}) == 1
        return Chunk(1, (chunk.version or 0) + 1, chunk.range, chunk.count, seen=1)

    check_beside(postgres_place, announce, seen=3)
    assert postgres_place.remembered_keys() == 3


def test_a_chunk_that_is_open_no_longer_is_judged(postgres_place: LoadHarness) -> None:
    def spoil(connection: Connection, stored: StoredLoad, chunk: Chunk) -> Chunk:
        assert add_keys(connection, stored.number, 1, set("WXYZ")) == 4
        return Chunk(1, chunk.version, chunk.range, chunk.count, seen=5, discarded=1)

    check_beside(postgres_place, spoil, seen=8)
    assert postgres_place.chunk(1).reason == "discarded"


def check_beside(place: LoadHarness, change: Callable[[Connection, StoredLoad, Chunk], Chunk], *, seen: int) -> None:
    """Check the count of a chunk that has A, if a batch with B, C and D waits while another worker changes it."""
    place.begin()
    place.announce(1, None, None, 50)
    place.send(product(20, "A", "L", 1))
    batch = [product(20, key, "L", 1) for key in "BCD"]
    waiting = threading.Thread(target=place.new_store().commit, args=(batch, reject_at(batch)))
    with place.fence.shared() as connection:
        stored = lock_load(connection, SCOPE, "L")
        assert stored is not None
        waiting.start()
        with place.engine.connect() as watch:
            wait_until(lambda: watch.scalar(_WAITING), what="the batch to wait for the load")
        before = place.chunk(1)
        after = judge_chunk(stored.load, change(connection, stored, before))
        write_chunk(connection, stored, after, read_switches(connection).now)
        more = after.seen - before.seen
        write_load(connection, replace(stored.load, seen=stored.load.seen + more))
    waiting.join()
    assert (place.chunk(1).seen, place.stored().load.seen) == (seen, seen)


def statements(place: LoadHarness, act: Callable[[], object]) -> int:
    """Return the number of statements that an act sends to the database."""
    with sent_statements(place.engine) as sent:
        act()
    return len(sent)
