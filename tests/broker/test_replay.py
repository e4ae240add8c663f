"""Quarantined messages are published again, as they were: one suite for both brokers."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from decimal import Decimal

import pytest
from sqlalchemy import text

from producers.messages import Fate, OutgoingMessage, PublishResult
from rules.actions import Conflict, CountChanged, NotConfirmed, NotFound
from schemas.topology import DEAD, ORDERS_IN
from storage.views import MissedFilter, QuarantineFilter
from tests.support.operator import ANA, Operator
from tests.support.order_events import internalized, placed
from tests.support.pipeline import Pipeline, stock_event
from tests.support.refused_stock import died, keep, take, take_dead

HEADERS = {"tenant": "7", "yes": True, "long": 2**40, "table": {"in": [1, None, "x"]}}


@pytest.fixture
def operator(pipeline: Pipeline) -> Iterator[Operator]:
    operator = Operator(pipeline)
    yield operator
    operator.close()


def test_once_the_cause_is_gone_a_replayed_message_is_applied_and_leaves_the_quarantine(
    pipeline: Pipeline, operator: Operator
) -> None:
    first, second = keep(pipeline, 1, 2, headers=HEADERS, content_type="application/json")
    operator.actions.replay(first, ANA)
    take(pipeline, 1)
    assert pipeline.product_codes() == {"P1"}
    assert [row["id"] for row in pipeline.quarantined()] == [second]
    [sent] = operator.published
    assert (sent.body, sent.routing_key, sent.content_type) == (
        stock_event(1, "P1", unit="BAD"),
        "main.stock",
        "application/json",
    )
    assert {name: sent.headers[name] for name in HEADERS} == HEADERS
    [act] = operator.audit()
    assert (act["action"], act["subject"], act["shop"], act["domains"]) == ("replay", first, "main", ["stock"])
    assert (act["by"], act["user_id"], act["reason"], act["count"]) == ("ana", "ana", "the cause is gone", 1)
    assert (act["result"], act["error"], act["epoch"]) == ("done", None, 0)
    with pytest.raises(NotFound, match=first):
        operator.actions.replay(first, ANA)
    assert len(operator.audit()) == 1


def test_a_replayed_message_passes_the_switch_like_any_other(pipeline: Pipeline, operator: Operator) -> None:
    [identity] = keep(pipeline, 1)
    pipeline.change("pause", domains=["stock"])
    operator.actions.replay(identity, ANA)
    take(pipeline, 1)
    assert (pipeline.product_codes(), pipeline.quarantined()) == (set(), [])
    assert pipeline.outcomes()["discarded"] == 1
    assert [(row["key"]["product_code"], row["version"]) for row in pipeline.database.views.rows(MissedFilter())] == [
        ("P1", 1)
    ]


def test_a_message_that_is_still_bad_comes_back_with_its_reason(pipeline: Pipeline, operator: Operator) -> None:
    pipeline.publish(stock_event(1, on_hand=12.5), b"{")
    take(pipeline, 2)
    before = pipeline.quarantined()
    done = operator.actions.replay_many(QuarantineFilter(), ANA, expected=2)
    assert (done.replayed, done.staying, done.left) == (2, 0, 0)
    take(pipeline, 2)
    after = pipeline.quarantined()
    assert [row["reason"] for row in after] == ["number_not_string", "malformed_json"]
    assert [bytes(row["body"]) for row in after] == [bytes(row["body"]) for row in before]
    assert {row["id"] for row in before}.isdisjoint(row["id"] for row in after)


def test_a_receipt_and_an_order_go_back_to_where_they_came_from(pipeline: Pipeline, operator: Operator) -> None:
    pipeline.publish(internalized("late"), key="main.receipts")
    pipeline.publish(placed("late", currency="XXY"), key="main", exchange=ORDERS_IN)
    with pipeline.stepped_orders_worker() as worker:
        worker.drain(2)
        assert sorted(row["reason"] for row in pipeline.quarantined()) == ["currency_unknown", "order_unknown"]
        pipeline.publish(placed("late"), key="main", exchange=ORDERS_IN)
        worker.drain(1)
        done = operator.actions.replay_many(QuarantineFilter(reason="order_unknown"), ANA, expected=1)
        worker.drain(1)
        assert (done.replayed, pipeline.orders()["main/late"]["erp_number"]) == (1, "77")
        assert operator.actions.replay_many(QuarantineFilter(domain="orders", shop="main"), ANA).replayed == 1
        worker.drain(1)
    assert [row["reason"] for row in pipeline.quarantined()] == ["currency_unknown"]
    assert {(each.exchange, each.routing_key) for each in operator.published} == {
        ("erp.events", "main.receipts"),
        ("shop.orders", "main"),
    }


def test_a_dead_letter_goes_back_without_what_the_broker_wrote_on_it(pipeline: Pipeline, operator: Operator) -> None:
    counts = {"x-first-death-queue": "comporta.stock", "x-delivery-count": 21, "x-shovelled": [{"src-queue": "q"}]}
    pipeline.publish(
        stock_event(1), exchange=DEAD, headers={**died("comporta.stock", "main.stock"), **counts, "tenant": "7"}
    )
    take_dead(pipeline, 1)
    assert operator.actions.replay_many(QuarantineFilter(reason="expired"), ANA).replayed == 1
    take(pipeline, 1)
    assert (pipeline.product_codes(), pipeline.quarantined()) == ({"P1"}, [])
    assert operator.published[0].headers.keys() - {"tenant"} <= {"message_id"}


@pytest.mark.parametrize("queue", ["comporta.stock", "comporta.dead"])
def test_what_was_moved_by_hand_is_replayed_with_the_routing_key_of_its_history(
    pipeline: Pipeline, operator: Operator, queue: str
) -> None:
    headers = died("comporta.stock", "main.stock", "delivery_limit")
    pipeline.publish(stock_event(1), exchange="", key=queue, headers=headers)
    (take_dead if queue == DEAD else take)(pipeline, 1)
    [row] = pipeline.quarantined()
    assert (row["reason"], row["shop"], row["domain"], row["routing_key"]) == ("routing_key", "?", "stock", queue)
    operator.actions.replay(row["id"], ANA)
    assert [(sent.exchange, sent.routing_key) for sent in operator.published] == [("erp.events", "main.stock")]
    take(pipeline, 1)
    assert (pipeline.product_codes(), pipeline.quarantined()) == ({"P1"}, [])


def test_headers_of_any_kind_are_published_again_as_they_were(rabbitmq_pipeline: Pipeline) -> None:
    pipeline, operator = rabbitmq_pipeline, Operator(rabbitmq_pipeline)
    headers = {"decimal": Decimal("1.5"), "octets": b"\xff\x00", "nul": "a\0b", **HEADERS}
    [identity] = keep(pipeline, 1, headers=headers)
    [row] = pipeline.quarantined()
    assert row["headers"]["octets"] == {"$base64": "/wA="}
    try:
        operator.actions.replay(identity, ANA)
    finally:
        operator.close()
    assert {name: operator.published[0].headers[name] for name in headers} == headers


@pytest.mark.parametrize(
    ("key", "properties", "why"),
    [
        ("MAIN.stock", {}, "names no shop"),
        ("main.stock", {"content_encoding": "gzip"}, "content encoding"),
        ("main", {"exchange": DEAD, "headers": {"x-first-death-queue": "erp.orders"}}, "not meant for Comporta"),
    ],
)
def test_what_can_t_be_replayed_is_refused_by_name_and_stays(
    pipeline: Pipeline, operator: Operator, key: str, properties: dict[str, object], why: str
) -> None:
    pipeline.publish(stock_event(1), key=key, **properties)
    (take_dead if properties.get("exchange") == DEAD else take)(pipeline, 1)
    [identity] = [row["id"] for row in pipeline.quarantined()]
    with pytest.raises(Conflict, match=f"{identity}.*{why}"):
        operator.actions.replay(identity, ANA)
    keep(pipeline, 2)
    done = operator.actions.replay_many(QuarantineFilter(), ANA, expected=2)
    assert (done.replayed, done.staying, done.left) == (1, 1, 0)
    assert [(each.id, why in each.why) for each in done.refused] == [(identity, True)]
    assert [row["id"] for row in pipeline.quarantined()] == [identity]
    assert [(act["count"], act["result"]) for act in operator.audit()] == [(0, "failed"), (1, "failed")]


def test_many_are_replayed_only_if_they_are_as_many_as_were_shown(pipeline: Pipeline, operator: Operator) -> None:
    keep(pipeline, *range(1, 251))
    assert operator.actions.count_quarantined(QuarantineFilter(shop="main")) == 250
    for act in (operator.actions.replay_many, operator.actions.drop_many):
        with pytest.raises(CountChanged) as changed:
            act(QuarantineFilter(shop="main"), ANA, expected=249)
        assert (changed.value.expected, changed.value.now) == (249, 250)
    assert operator.published == operator.audit() == []
    assert operator.actions.replay_many(QuarantineFilter(shop="main"), ANA, expected=250).replayed == 250
    assert [each.body for each in operator.published] == [stock_event(n, f"P{n}", unit="BAD") for n in range(1, 251)]
    take(pipeline, 250)
    assert len(pipeline.product_codes()) == 250
    assert [(act["action"], act["count"], act["result"]) for act in operator.audit()] == [("replay", 250, "done")]


def test_of_two_who_replay_the_same_message_one_does(pipeline: Pipeline, operator: Operator) -> None:
    [identity] = keep(pipeline, 1)
    holding, go = threading.Event(), threading.Event()

    def slow(messages: Sequence[OutgoingMessage]) -> list[PublishResult]:
        holding.set()
        assert go.wait(30)
        return list(operator.publisher.publish_all(messages))

    other = Operator(pipeline)
    try:
        operator.actions._publish = slow
        first = threading.Thread(target=operator.actions.replay, args=(identity, ANA))
        first.start()
        assert holding.wait(30)
        with pytest.raises(Conflict, match="another replay"):
            other.actions.replay(identity, ANA)
        go.set()
        first.join(30)
    finally:
        other.close()
    take(pipeline, 1)
    assert (other.published, pipeline.quarantined(), pipeline.outcomes()["applied"]) == ([], [], 1)
    assert pipeline.queue_depths() == {}


class Killed(BaseException):
    """What ends a process, and no `except Exception` catches."""


def test_killed_between_confirm_and_removal_it_stays_and_a_second_replay_is_harmless(
    pipeline: Pipeline, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    [identity] = keep(pipeline, 1)

    def killed(*_: object) -> int:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("storage.quarantine.QuarantineStore.remove", killed)
        with pytest.raises(Killed):
            operator.actions.replay(identity, ANA)
    take(pipeline, 1)
    assert (pipeline.product_codes(), [row["id"] for row in pipeline.quarantined()]) == ({"P1"}, [identity])
    with pipeline.database.fence.shared() as connection:
        # Half a minute later.
        connection.execute(text("UPDATE quarantine SET lease_until = '2026-01-01T00:00:00.000000Z'"))
    operator.actions.replay(identity, ANA)
    take(pipeline, 1)
    assert (pipeline.quarantined(), pipeline.outcomes()["applied"], pipeline.outcomes()["superseded"]) == ([], 1, 1)


def test_a_copy_that_comes_back_after_a_crash_is_kept_though_the_replayer_removes_the_first(
    rabbitmq_pipeline: Pipeline,
) -> None:
    pipeline, operator = rabbitmq_pipeline, Operator(rabbitmq_pipeline)
    pipeline.publish(stock_event(1, on_hand=12.5))
    take(pipeline, 1)
    [identity] = [row["id"] for row in pipeline.quarantined()]

    def crashing(messages: Sequence[OutgoingMessage]) -> list[PublishResult]:
        results = list(operator.publisher.publish_all(messages))
        with pipeline.stepped_worker("stock") as dying:
            # Delivered to a worker that dies before it has settled it.
            dying.source.buffer(1)
        with pipeline.stepped_worker("stock") as worker:
            worker.drain(1)
        return results

    operator.actions._publish = crashing
    try:
        operator.actions.replay(identity, ANA)
    finally:
        operator.close()
    [row] = pipeline.quarantined()
    assert (row["reason"], row["id"] != identity) == ("number_not_string", True)


@pytest.mark.parametrize("fate", [Fate.UNKNOWN, Fate.NACKED, Fate.RETURNED])
def test_what_the_broker_does_not_take_stays_and_may_be_tried_again_at_once(
    pipeline: Pipeline, operator: Operator, fate: Fate
) -> None:
    first, *_ = keep(pipeline, 1, 2)
    operator.actions._publish = lambda messages: [PublishResult(each, fate, "test") for each in messages]
    with pytest.raises(NotConfirmed if fate is Fate.UNKNOWN else Conflict):
        operator.actions.replay(first, ANA)
    done = operator.actions.replay_many(QuarantineFilter(), ANA)
    assert (done.replayed, done.staying + done.left, len(pipeline.quarantined())) == (0, 2, 2)
    operator.actions._publish = operator.publish
    assert operator.actions.replay_many(QuarantineFilter(), ANA, expected=2).replayed == 2
    assert [act["result"] for act in operator.audit()] == ["failed", "failed", "done"]
    take(pipeline, 2)


def test_what_is_dropped_is_gone_and_audited(pipeline: Pipeline, operator: Operator) -> None:
    first, _, third = keep(pipeline, 1, 2, 3)
    pipeline.publish(b"{")
    take(pipeline, 1)
    operator.actions.drop(first, ANA)
    with pytest.raises(NotFound, match=first):
        operator.actions.drop(first, ANA)
    assert operator.actions.drop_many(QuarantineFilter(ids=(third, "unknown")), ANA, expected=1) == 1
    assert operator.actions.drop_many(QuarantineFilter(reason="refused_by_database"), ANA, expected=1) == 1
    assert [row["reason"] for row in pipeline.quarantined()] == ["malformed_json"]
    assert [(act["action"], act["count"], act["subject"]) for act in operator.audit()] == [
        ("drop", 1, first),
        ("drop", 1, "ids=2 given"),
        ("drop", 1, "reason=refused_by_database"),
    ]
    assert operator.published == []
