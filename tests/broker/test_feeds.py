"""Changes and outcomes on their exchanges: one suite for both brokers."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, update

from broker.connection import open_connection
from producers.feeds import relay_loop
from producers.messages import Fate, OutgoingMessage, PublishResult
from producers.publisher import Publisher
from producers.relay import Relay
from schemas.domains import DOMAINS
from schemas.events import parse_event
from schemas.feeds import CHANGES_TYPE, COUNTED_TYPE, QUARANTINED_TYPE
from schemas.topology import CHANGES, OUTCOMES
from storage.changes import ChangeFeed
from storage.engine import open_engine
from storage.relay_sources import ChangeSource, OutcomeSource
from storage.tables import change_feed, ledger, outcome_notices, relays
from tests.support.event_samples import SAMPLES, sample_event
from tests.support.pipeline import Pipeline, stock_event
from tests.support.schema_validators import schema_accepts
from tests.support.wait import wait_until

_QUEUES = {CHANGES: "follower", OUTCOMES: "erp.outcomes"}
_KEEP = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _bound(pipeline: Pipeline) -> None:
    with open_connection(pipeline.url, name="test") as connection, connection.channel() as channel:
        for exchange, queue in _QUEUES.items():
            channel.queue_declare(queue, durable=True, auto_delete=False)
            channel.queue_bind(queue, exchange, "#")
            channel.queue_purge(queue)


@pytest.fixture
def engine(pipeline: Pipeline) -> Iterator[Engine]:
    engine = open_engine(pipeline.database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def publisher(pipeline: Pipeline) -> Iterator[Publisher]:
    with Publisher(pipeline.url) as publisher:
        yield publisher


@pytest.fixture
def _recording(pipeline: Pipeline) -> None:
    ChangeFeed(pipeline.database.fence).switch(on=True)


def relay(pipeline: Pipeline, publisher: Any, worker: str = "w1", **lease: timedelta) -> Relay:
    fence = pipeline.database.fence
    sources = (ChangeSource(fence, worker, _KEEP, **lease), OutcomeSource(fence, worker, **lease))
    return Relay(sources, publisher, threading.Event())


def told(pipeline: Pipeline, exchange: str) -> list[tuple[str, dict[str, Any]]]:
    """What a follower has in its queue now: the routing key and the body of each message."""
    found = []
    with pipeline.channel() as channel:
        while (message := channel.basic_get(_QUEUES[exchange], no_ack=True)) is not None:
            found.append((message.delivery_info["routing_key"], json.loads(message.body)))
    return found


def commit(pipeline: Pipeline, shop: str, version: int, number: int, first: int = 0) -> None:
    bodies = (stock_event(version, f"P{place}") for place in range(first, first + number))
    pipeline.store.commit([parse_event("stock", shop, body) for body in bodies])


@pytest.mark.usefixtures("_recording")
def test_changes_are_published_with_keys_and_versions_at_most_500_in_a_message(
    pipeline: Pipeline, publisher: Publisher
) -> None:
    for domain in SAMPLES:
        pipeline.store.commit([parse_event(domain, "main", sample_event(domain))])
    commit(pipeline, "other", 7, 501)
    relay(pipeline, publisher).step()
    messages = told(pipeline, CHANGES)
    assert [key for key, _ in messages] == [f"main.{domain}" for domain in SAMPLES] + ["other.stock"] * 2
    assert [len(body["data"]["changes"]) for _, body in messages] == [1] * 7 + [500, 1]
    for key, body in messages:
        assert schema_accepts(CHANGES_TYPE, body)
        assert key == f"{body['data']['shop']}.{body['data']['domain']}"
        for change in body["data"]["changes"]:
            assert list(change["key"]) == list(DOMAINS[body["data"]["domain"]].key_fields)
            assert change["version"] == ("7" if body["data"]["shop"] == "other" else "18446")
    positions = [change["position"] for _, body in messages for change in body["data"]["changes"]]
    assert positions == list(range(positions[0], positions[0] + 508))


@pytest.mark.usefixtures("_recording")
def test_one_relay_publishes_at_a_time_and_the_next_goes_on_where_it_ended(
    pipeline: Pipeline, publisher: Publisher
) -> None:
    first, second = relay(pipeline, publisher), relay(pipeline, publisher, "w2")
    commit(pipeline, "main", 1, 10)
    assert (first.step(), second.step()) == (1, 0)
    # Noted with the next step.
    first.step()
    for progress in first._progress:
        progress.source.close(progress.confirmed)
    commit(pipeline, "main", 2, 10)
    assert (second.step(), first.step()) == (1, 0)
    assert [len(body["data"]["changes"]) for _, body in told(pipeline, CHANGES)] == [10, 10]


class Refusing:
    """A broker that refuses the n-th message, as one with a full queue does."""

    def __init__(self, publisher: Publisher, turn: int) -> None:
        self._publisher, self._turn = publisher, turn

    def publish_all(self, messages: Sequence[OutgoingMessage]) -> Iterator[PublishResult]:
        for message in messages:
            self._turn -= 1
            if self._turn == 0:
                yield PublishResult(message, Fate.NACKED, "planted")
            else:
                yield from self._publisher.publish_all([message])


@pytest.mark.usefixtures("_recording")
@pytest.mark.parametrize("turn", [1, 2, 3, 4])
def test_what_a_broker_refuses_comes_again_and_nothing_of_its_key_overtakes_it(
    pipeline: Pipeline, publisher: Publisher, turn: int
) -> None:
    for shop in ("a", "b"):
        commit(pipeline, shop, 1, 501)
    refused = relay(pipeline, Refusing(publisher, turn))
    wait_until(lambda: (refused.step(), published_all(pipeline))[1], what="every change to be published")
    highest: dict[str, int] = defaultdict(int)
    for key, body in told(pipeline, CHANGES):
        first = body["data"]["changes"][0]["position"]
        # Repeats aside, each message of a key begins where the one before has ended.
        assert first <= highest[key] + 1 or not highest[key]
        highest[key] = max(highest[key], body["data"]["changes"][-1]["position"])
    assert dict(highest) == {"a.stock": 502, "b.stock": 1003}


def published_all(pipeline: Pipeline) -> bool:
    engine = open_engine(pipeline.database_url)
    with engine.connect() as connection:
        newest = connection.scalar(select(change_feed.c.position))
        published = connection.scalar(select(relays.c.position).where(relays.c.name == "changes"))
    engine.dispose()
    return newest == published


def test_a_refused_event_is_told_at_once(pipeline: Pipeline, engine: Engine) -> None:
    pipeline.publish(b'{"specversion": "1.0", "id": "bad-1"', key="main.stock")
    wrong = {**json.loads(stock_event(3, "P1")), "id": "bad-2"}
    wrong["data"]["on_hand"] = 5
    pipeline.publish(json.dumps(wrong).encode(), key="main.stock")
    stop = threading.Event()
    run = relay_loop(pipeline.url, pipeline.database.fence, "w1", stop, changes=False, keep=_KEEP)
    thread = threading.Thread(target=run)
    with pipeline.stepped_worker("stock") as worker:
        thread.start()
        worker.drain(2)
        begun = time.monotonic()
        messages: list[tuple[str, dict[str, Any]]] = []
        wait_until(lambda: messages.extend(told(pipeline, OUTCOMES)) or len(messages) >= 2, what="two refusals")
        assert time.monotonic() - begun < 5
    stop.set()
    thread.join(20)
    assert [key for key, _ in messages] == ["main.stock.quarantined"] * 2
    assert all(schema_accepts(QUARANTINED_TYPE, body) for _, body in messages)
    by_id = {body["data"]["id"]: body["data"] for _, body in messages}
    assert by_id.keys() == {"bad-1", "bad-2"}
    mended = by_id["bad-2"]
    assert mended["sequence"] == "3"
    assert mended["key"] == {name: wrong["data"].get(name, "") for name in DOMAINS["stock"].key_fields}
    [reason] = mended["reasons"]
    assert (reason["code"], reason["pointer"]) == ("number_not_string", "/data/on_hand")
    ids = {row["id"] for row in pipeline.quarantined()}
    assert {body["data"]["quarantine_id"] for _, body in messages} == ids
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(outcome_notices)) == 0
    assert told(pipeline, CHANGES) == []


def test_the_other_outcomes_are_counted_by_minute_once_it_is_over(
    pipeline: Pipeline, publisher: Publisher, engine: Engine
) -> None:
    sender = relay(pipeline, publisher)
    assert sender.step() == 0
    commit(pipeline, "main", 5, 3)
    commit(pipeline, "main", 4, 3, first=2)
    minute = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=10)
    with engine.begin() as connection:
        # As if it had been ten minutes ago, by two workers; and an hour is published already.
        connection.execute(update(ledger).values(minute=minute))
        rows = connection.execute(select(ledger)).mappings().all()
        connection.execute(ledger.insert(), [{**row, "worker": "w2"} for row in rows])
        published = int((minute - timedelta(hours=1)).timestamp())
        connection.execute(update(relays).where(relays.c.name == "outcomes").values(position=published))
    again = relay(pipeline, publisher)
    assert again.step() == 2
    messages = told(pipeline, OUTCOMES)
    assert all(schema_accepts(COUNTED_TYPE, body) for _, body in messages)
    assert {key: body["data"]["count"] for key, body in messages} == {
        "main.stock.applied": 10,
        "main.stock.superseded": 2,
    }
    assert {body["data"]["minute"] for _, body in messages} == {minute.isoformat(timespec="microseconds")[:-6] + "Z"}
    again.step()
    assert told(pipeline, OUTCOMES) == []


@pytest.mark.usefixtures("_recording")
def test_what_nobody_has_bound_a_queue_for_is_dropped(pipeline: Pipeline, publisher: Publisher) -> None:
    with pipeline.channel() as channel:
        channel.queue_unbind(_QUEUES[CHANGES], CHANGES, "#")
    commit(pipeline, "main", 1, 3)
    sender = relay(pipeline, publisher)
    sender.step()
    sender.step()
    assert published_all(pipeline)
    assert told(pipeline, CHANGES) == []
