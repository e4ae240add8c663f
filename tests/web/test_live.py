"""The state as it changes: one look for all who listen, the newest for the slow, and the truth when it is away."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from comporta.runtime.health import Reach
from comporta.web.live import LiveEvent, LiveFeed, Subscription
from schemas.control import StatusDocument
from storage.errors import Unavailable
from storage.views import Balance
from storage.workers import WorkerRegistry
from tests.support.live_feed import open_streams
from tests.support.views_harness import ViewsHarness, change_event

_PATIENCE = 20.0


class CountingSource:
    """Source that counts how often it is read, and is unavailable while told so."""

    def __init__(self, storage: ViewsHarness) -> None:
        self.storage = storage
        self.times = 0
        self.away = False
        self.breaks = False

    def status(self) -> StatusDocument:
        self.times += 1
        if self.breaks:
            raise RuntimeError("a fault of ours")
        if self.away:
            raise Unavailable("the database can't be reached: test")
        return self.storage.views.status()

    def balance(self) -> Balance:
        return self.storage.views.balance()


class FeedHarness:
    """Live feed that never sends everything by itself unless its clock is moved, and its source."""

    def __init__(self, storage: ViewsHarness) -> None:
        self.storage = storage
        self.source = CountingSource(storage)
        self.clock = 100.0
        self.live = LiveFeed(self.source, poll_every=0.01, full_every=10.0, clock=lambda: self.clock)

    async def looks(self, number: int = 3) -> None:
        """Waits until it has looked so many times more."""
        wanted = self.source.times + number
        async with asyncio.timeout(_PATIENCE):
            while self.source.times < wanted:
                await asyncio.sleep(0.01)


@pytest.fixture
def harness(any_database_url: str) -> Iterator[FeedHarness]:
    storage = ViewsHarness(any_database_url)
    yield FeedHarness(storage)
    storage.engine.dispose()


def run(body: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(body())  # type: ignore[arg-type]


async def next_of(reader: Subscription) -> LiveEvent:
    async with asyncio.timeout(_PATIENCE):
        return await anext(aiter(reader))


async def document(reader: Subscription, name: str) -> Any:
    event = await next_of(reader)
    assert event.name == name, event
    return json.loads(event.data)


def number_of(event: LiveEvent) -> int:
    return int(event.id.rpartition("-")[2])


def test_a_reader_is_told_all_at_once_and_a_second_one_without_another_look(harness: FeedHarness) -> None:
    async def body() -> None:
        harness.storage.store.commit([change_event("stock")])
        async with harness.live.subscribe() as first:
            status, ledger = await document(first, "status"), await document(first, "ledger")
            assert status["effective"]["main"]["stock"] == "on"
            assert ledger["balance"]["total"] == {
                "received": 1,
                "applied": 1,
                "superseded": 0,
                "discarded": 0,
                "quarantined": 0,
                "difference": 0,
            }
            assert ledger["last_minute"] == {"stock": {"applied": 1}}
            async with harness.live.subscribe() as second:
                assert [(await next_of(second)).name for _ in range(2)] == ["status", "ledger"]
                assert open_streams(harness.live) == 2

    run(body)


def test_a_change_is_told_to_everybody_and_what_has_not_changed_is_not_told_again(harness: FeedHarness) -> None:
    async def body() -> None:
        async with harness.live.subscribe() as first, harness.live.subscribe() as second:
            told = [await next_of(first) for _ in range(2)]
            await harness.looks()
            await asyncio.to_thread(harness.storage.change, "pause")
            event = await next_of(first)
            # Nothing was told in between: the number is the next one.
            assert (event.name, number_of(event)) == ("status", number_of(told[-1]) + 1)
            assert json.loads(event.data)["epoch"] == 1
            newest = {(await next_of(second)).id for _ in range(2)}
            assert event.id in newest

    run(body)


def test_a_worker_that_is_heard_of_again_is_no_change_and_a_new_one_is(harness: FeedHarness) -> None:
    async def body() -> None:
        async with harness.live.subscribe() as reader:
            for _ in range(2):
                last = await next_of(reader)
            registrar = WorkerRegistry(harness.storage.fence, "w1", ["stock"])
            await asyncio.to_thread(registrar.beat)
            event = await next_of(reader)
            assert number_of(event) == number_of(last) + 1
            assert json.loads(event.data)["workers"][0]["id"] == "w1"
            for _ in range(3):
                await asyncio.to_thread(registrar.beat)
                await harness.looks(1)
            await asyncio.to_thread(registrar.leave)
            assert number_of(await next_of(reader)) == number_of(event) + 1

    run(body)


def test_all_is_told_again_every_ten_seconds_so_that_its_age_is_known(harness: FeedHarness) -> None:
    async def body() -> None:
        async with harness.live.subscribe() as reader:
            await next_of(reader), await next_of(reader)
            await harness.looks()
            harness.clock += 10.0
            assert [(await next_of(reader)).name for _ in range(2)] == ["status", "ledger"]

    run(body)


def test_a_slow_reader_gets_the_newest_and_never_a_queue(harness: FeedHarness) -> None:
    async def body() -> None:
        async with harness.live.subscribe() as slow:
            for action in ("pause", "resume", "pause"):
                await asyncio.to_thread(harness.storage.change, action)
                await harness.looks()
            found = [await next_of(slow), await next_of(slow)]
            assert sorted(event.name for event in found) == ["ledger", "status"]
            [status] = [json.loads(event.data) for event in found if event.name == "status"]
            assert status["epoch"] == 3

    run(body)


def test_a_database_that_is_away_is_told_since_when_and_what_holds_when_it_is_back(harness: FeedHarness) -> None:
    async def body() -> None:
        async with harness.live.subscribe() as reader:
            await next_of(reader), await next_of(reader)
            harness.source.away = True
            away = await document(reader, "unavailable")
            assert away["detail"] == "the database can't be reached: test"
            await harness.looks()
            async with harness.live.subscribe() as late:
                assert (await document(late, "unavailable"))["since"] == away["since"]
            harness.clock += 10.0
            assert await document(reader, "unavailable") == away
            harness.source.away = False
            assert [(await next_of(reader)).name for _ in range(2)] == ["status", "ledger"]

    run(body)


def test_a_fault_of_ours_does_not_end_the_looking(harness: FeedHarness) -> None:
    async def body() -> None:
        async with harness.live.subscribe() as reader:
            await next_of(reader), await next_of(reader)
            harness.source.breaks = True
            await harness.looks()
            harness.source.breaks = False
            await asyncio.to_thread(harness.storage.change, "pause")
            assert (await document(reader, "status"))["epoch"] == 1

    run(body)


def test_nobody_looks_while_nobody_listens_and_who_comes_later_sees_what_is_new(harness: FeedHarness) -> None:
    async def body() -> None:
        async with harness.live.subscribe() as reader:
            await next_of(reader)
        async with asyncio.timeout(_PATIENCE):
            while len(asyncio.all_tasks()) > 1:
                await asyncio.sleep(0)
        assert open_streams(harness.live) == 0
        await asyncio.to_thread(harness.storage.change, "pause")
        async with harness.live.subscribe() as reader:
            assert (await document(reader, "status"))["epoch"] == 1

    run(body)


def test_closing_ends_every_stream_from_whatever_thread(harness: FeedHarness) -> None:
    async def body() -> None:
        async with harness.live.subscribe() as reader:
            await next_of(reader)
            threading.Thread(target=harness.live.close).start()
            async with asyncio.timeout(_PATIENCE):
                assert len([event async for event in reader]) <= 1
        async with harness.live.subscribe() as late:
            assert [event async for event in late] == []

    run(body)


def test_the_broker_s_absence_is_told_and_its_return(harness: FeedHarness) -> None:
    at = datetime(2026, 11, 23, 12, tzinfo=UTC)

    async def body() -> None:
        there = asyncio.Event()

        async def reaches() -> dict[str, Reach]:
            if there.is_set():
                return {"broker": Reach(True)}
            there.set()
            return {"broker": Reach(False, at)}

        live = LiveFeed(harness.source, reaches, poll_every=0.01, full_every=1e9, clock=lambda: harness.clock)
        async with live.subscribe() as reader:
            told: list[Any] = []
            async with asyncio.timeout(_PATIENCE):
                while len(told) < 2:
                    event = await next_of(reader)
                    told += [json.loads(event.data)] if event.name == "broker" else []
        assert told == [{"reachable": False, "since": "2026-11-23T12:00:00Z"}, {"reachable": True, "since": None}]

    run(body)
