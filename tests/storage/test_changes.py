"""The change feed on SQLite and PostgreSQL: exact, complete behind every position, and pruned in steps."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import Connection, select, update

from rules.outcomes import Outcome
from schemas.domains import DOMAINS
from schemas.events import ChangeEvent, parse_event
from storage import event_store
from storage.changes import ChangeFeed, read_changes, record_changes, record_if_on
from storage.engine import open_engine
from storage.entities import apply_and_return
from storage.entity_tables import ENTITY_TABLES
from storage.event_store import EventStore
from storage.feed_tables import change_feed, changes
from storage.fence import Fence, fence_for
from storage.tail import OutcomeTail
from tests.support.event_samples import SAMPLES, sample_event
from tests.support.storage_harness import StorageHarness, reject_event_at, stock_change

# Two workers write 20,000 rows, 5,000 keys four times.
KEYS, BATCH, TURNS = 5_000, 250, 4
stock = ENTITY_TABLES["stock"]


@pytest.fixture
def harness(any_database_url: str) -> Iterator[StorageHarness]:
    harness = StorageHarness(any_database_url)
    yield harness
    harness.engine.dispose()


@pytest.fixture
def feed(harness: StorageHarness) -> ChangeFeed:
    feed = ChangeFeed(harness.fence)
    assert feed.switch(on=True)
    return feed


def recorded(fence: Fence, after: int = 0) -> list[tuple[Any, ...]]:
    """The feed without times: shop, domain, key, version, deleted."""
    with fence.snapshot() as connection:
        rows = list(read_changes(connection, after, 100_000))
    positions = [row.position for row in rows]
    assert positions == list(range(positions[0], positions[0] + len(rows)) if rows else ())
    return [(row.shop, row.domain, orjson.loads(row.key), row.version, row.deleted) for row in rows]


def newest(fence: Fence) -> int:
    with fence.snapshot() as connection:
        return connection.scalar(select(change_feed.c.position)) or 0


def key(product: str) -> dict[str, str]:
    return {"product_code": product, "branch": "1", "warehouse": "MAIN", "lot": ""}


def test_nothing_is_recorded_unless_it_is_on(harness: StorageHarness) -> None:
    harness.commit(stock_change(1))
    assert (recorded(harness.fence), newest(harness.fence)) == ([], 0)
    assert not ChangeFeed(harness.fence).switch(on=False)


@pytest.mark.usefixtures("feed")
@pytest.mark.parametrize("domain", SAMPLES)
def test_every_domain_is_recorded_with_its_key(harness: StorageHarness, domain: str) -> None:
    event = parse_event(domain, "main", sample_event(domain))
    harness.commit(event)
    harness.commit(parse_event(domain, "main", sample_event(domain, action="deleted", envelope={"sequence": "18447"})))
    [changed, deleted] = recorded(harness.fence)
    assert changed[:2] == deleted[:2] == ("main", domain)
    assert changed[2] == deleted[2]
    assert tuple(changed[2]) == DOMAINS[domain].key_fields
    assert (changed[3:], deleted[3:]) == ((event.version, False), (18447, True))
    # One of two is written: found by its key, whatever the type of its fields.
    first = next(iter(changed[2]))
    older = sample_event(domain, envelope={"sequence": "1", "id": "old"})
    other = sample_event(domain, envelope={"sequence": "5", "id": "new"}, **{first: "OTHER"})
    harness.commit(*(parse_event(domain, "main", body) for body in (older, other)))
    [*_, last] = recorded(harness.fence)
    assert (len(recorded(harness.fence)), last[2], last[3]) == (3, {**changed[2], first: "OTHER"}, 5)


@pytest.mark.usefixtures("feed")
@pytest.mark.parametrize("watched", [False, True])
def test_only_what_was_written_is_recorded(harness: StorageHarness, *, watched: bool) -> None:
    key_of_p1 = recorded_key(harness)
    after = newest(harness.fence)
    harness.commit(stock_change(5, "P2"))
    batch = (stock_change(9, "P1"), stock_change(5, "P2"), stock_change(4, "P3"), stock_change(4, "P2", id="late"))
    if watched:
        with OutcomeTail(harness.engine):
            outcomes = harness.commit(*batch)
    else:
        outcomes = harness.commit(*batch)
    assert outcomes == {Outcome.APPLIED: 2, Outcome.SUPERSEDED: 2}
    rows = recorded(harness.fence, after)
    assert [(row[2]["product_code"], row[3]) for row in rows] == [("P2", 5), ("P1", 9), ("P3", 4)]
    assert rows[1][2] == key_of_p1
    harness.change("pause")
    harness.commit(stock_change(20, "P1"))
    assert recorded(harness.fence, after) == rows


def recorded_key(harness: StorageHarness) -> dict[str, str]:
    """The key of P1 as the table has it."""
    harness.commit(stock_change(1, "P1"))
    [row] = harness.rows()
    return {name: row[name] for name in ("product_code", "branch", "warehouse", "lot")}


@pytest.mark.usefixtures("feed")
def test_a_batch_that_fails_leaves_no_gap(harness: StorageHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    harness.commit(stock_change(1))
    before = newest(harness.fence)

    def fails(connection: Connection, events: Any, now: datetime) -> None:
        record_changes(connection, events, now)
        raise RuntimeError("planted")

    with monkeypatch.context() as patched:
        patched.setattr(event_store, "record_changes", fails)
        with pytest.raises(RuntimeError):
            harness.commit(stock_change(2))
    assert newest(harness.fence) == before
    harness.commit(stock_change(3))
    assert [row[3] for row in recorded(harness.fence)] == [1, 3]


def test_what_is_written_outside_of_batches_is_recorded_too(harness: StorageHarness) -> None:
    feed = ChangeFeed(harness.fence)
    for version, on in ((1, False), (2, True)):
        feed.switch(on=on)
        with harness.fence.shared() as connection:
            now = datetime.now(UTC)
            written = apply_and_return(connection, "stock", [stock_change(version)], now)
            record_if_on(connection, written, now)
    assert [row[3] for row in recorded(harness.fence)] == [2]


def test_a_reader_sees_that_the_feed_was_off(harness: StorageHarness, feed: ChangeFeed) -> None:
    harness.commit(stock_change(1))
    seen = newest(harness.fence)
    assert feed.switch(on=False)
    harness.commit(stock_change(2))
    assert newest(harness.fence) == seen
    assert feed.switch(on=True)
    assert not feed.switch(on=True)
    # No row follows, and yet the newest position is another one.
    assert (recorded(harness.fence, seen), newest(harness.fence)) == ([], seen + 1)
    harness.commit(stock_change(3))
    with harness.fence.snapshot() as connection:
        assert next(read_changes(connection, seen, 1)).position == seen + 2


def test_old_changes_are_pruned_in_steps_but_for_the_newest(harness: StorageHarness, feed: ChangeFeed) -> None:
    for start in range(0, 1_200, 400):
        harness.commit(*(stock_change(1, f"P{number}") for number in range(start, start + 400)))
    last = newest(harness.fence)
    now = datetime.now(UTC)
    assert feed.prune(now - timedelta(hours=1), last) == 0
    later = now + timedelta(hours=1)
    assert feed.prune(later, published=101) == 100
    steps = [feed.prune(later, last) for _ in range(4)]
    assert (max(steps), sum(steps), steps[-1]) == (500, 1_099, 0)
    with harness.fence.snapshot() as connection:
        assert [row.position for row in read_changes(connection, 0, 10)] == [last]


def test_what_is_not_yet_old_stays(harness: StorageHarness, feed: ChangeFeed) -> None:
    harness.commit(*(stock_change(1, f"P{number}") for number in range(10)))
    with harness.fence.shared() as connection:
        past = datetime.now(UTC) - timedelta(days=3)
        connection.execute(update(changes).where(changes.c.position <= 5).values(at=past))
    assert feed.prune(datetime.now(UTC) - timedelta(days=2), newest(harness.fence)) == 4


class TestTwoWritersAndAPoller:
    """What a cache does that follows by its last position, while two workers write the same keys."""

    def test_a_poller_misses_no_final_version(self, any_database_url: str) -> None:
        assert follow(any_database_url) == []

    def test_positions_that_are_not_taken_under_the_lock_would_be_missed(
        self, database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The fault that the lock prevents: positions in an order other than that of the commits."""
        monkeypatch.setattr(event_store, "record_changes", record_early(database_url))
        # When no two batches happen to overlap, nothing is missed: then once more.
        assert any(follow(database_url, first) for first in range(0, 10 * TURNS, TURNS))


def record_early(url: str) -> Callable[..., None]:
    """Recording whose positions come from a counter that is free again before the commit, as those of a sequence."""
    engine = open_engine(url)
    guard = threading.Lock()

    def record(connection: Connection, events: list[ChangeEvent], now: datetime) -> None:
        if not events:
            return
        with guard, engine.begin() as own:
            base = own.scalar(
                update(change_feed)
                .values(position=change_feed.c.position + len(events))
                .returning(change_feed.c.position - len(events))
            )
        rows = [
            {
                "position": base + number,
                "shop": event.shop,
                "domain": event.domain,
                "key": orjson.dumps(key(event.key[0])).decode(),
                "version": event.version,
                "deleted": event.deleted,
                "at": now,
            }
            for number, event in enumerate(events, 1)
        ]
        connection.execute(changes.insert(), rows)
        time.sleep(random.random() / 10)

    return record


def follow(url: str, first: int = 0) -> list[str]:
    """Let two workers write every key, and follow the feed meanwhile; return the keys of which the last was missed.

    The versions begin above `first`.
    """
    engine = open_engine(url)
    fence = fence_for(engine)
    ChangeFeed(fence).switch(on=True)
    harness = StorageHarness(url)
    ended = threading.Event()
    errors: list[BaseException] = []

    def write(number: int) -> None:
        store = EventStore(fence, harness.switchboard, f"w{number}")
        order = random.Random(number)
        try:
            for turn in range(TURNS):
                # Half of the keys each, in turn: batches with the same keys would wait for each other.
                names = [f"P{key}" for key in range((number + turn) % 2, KEYS, 2)]
                order.shuffle(names)
                for start in range(0, len(names), BATCH):
                    version = first + turn + 1
                    batch = [stock_change(version, name, id=f"{version}") for name in names[start : start + BATCH]]
                    store.commit(batch, reject_event_at(batch))
        except BaseException as error:
            errors.append(error)

    seen: dict[str, int] = {}
    position = 0

    def poll() -> int:
        nonlocal position
        with fence.snapshot() as connection:
            rows = list(read_changes(connection, position, 100_000))
        for row in rows:
            seen[orjson.loads(row.key)["product_code"]] = row.version
        if rows:
            position = rows[-1].position
        return len(rows)

    writers = [threading.Thread(target=write, args=(number,)) for number in (1, 2)]
    for writer in writers:
        writer.start()
    watch = threading.Thread(target=lambda: [writer.join() for writer in writers] and ended.set())
    watch.start()
    while not ended.is_set():
        poll()
    while poll():
        pass
    watch.join()
    assert not errors
    with engine.connect() as connection:
        rows = connection.execute(select(stock.c.product_code, stock.c.version))
        final = {row.product_code: row.version for row in rows}
    engine.dispose()
    harness.engine.dispose()
    assert len(final) == KEYS
    return [name for name, version in final.items() if seen.get(name) != version]
