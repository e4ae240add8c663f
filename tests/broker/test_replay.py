"""Quarantined messages are published again, as they were: one suite for both brokers."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, text

from producers.messages import Fate, OutgoingMessage, PublishResult
from rules.actions import Conflict, CountChanged, NotConfirmed, NotFound
from schemas.topology import DEAD, ORDERS_IN
from storage.views import QuarantineFilter
from tests.support.operator import ANA, Operator
from tests.support.order_events import internalized, placed
from tests.support.pipeline import Pipeline, stock_event

HEADERS = {"tenant": "7", "yes": True, "long": 2**40, "table": {"in": [1, None, "x"]}}
REFUSAL = {
    "postgresql": (
        "ALTER TABLE stock ADD CONSTRAINT refusal CHECK (unit <> 'BAD')",
        "ALTER TABLE stock DROP CONSTRAINT refusal",
    ),
    "sqlite": (
        "CREATE TRIGGER refusal BEFORE INSERT ON stock WHEN NEW.unit = 'BAD' BEGIN SELECT RAISE(ABORT, 'no'); END",
        "DROP TRIGGER refusal",
    ),
}


@pytest.fixture
def operator(line: Pipeline) -> Iterator[Operator]:
    operator = Operator(line)
    yield operator
    operator.close()


def run(connection: Connection, which: int) -> None:
    connection.execute(text(REFUSAL[connection.dialect.name][which]))


@contextmanager
def refusing(line: Pipeline) -> Iterator[None]:
    """While it lasts, the database refuses a stock whose unit is BAD."""
    with line.database.fence.shared() as connection:
        run(connection, 0)
    yield
    with line.database.fence.shared() as connection:
        run(connection, 1)


def keep(line: Pipeline, *versions: int, **properties: object) -> list[str]:
    """Quarantined stocks of products P<version>, good but for a cause that is gone by now; their ids."""
    with refusing(line), line.hand("stock") as hand:
        line.publish(*(stock_event(version, f"P{version}", unit="BAD") for version in versions), **properties)
        hand.drain(len(versions))
    return [row["id"] for row in line.quarantined()][-len(versions) :]


def take(line: Pipeline, number: int) -> None:
    with line.hand() as hand:
        hand.drain(number)


def test_once_the_cause_is_gone_a_replayed_message_is_applied_and_leaves_the_quarantine(
    line: Pipeline, operator: Operator
) -> None:
    first, second = keep(line, 1, 2, headers=HEADERS, content_type="application/json")
    operator.acting.replay(first, ANA)
    take(line, 1)
    assert line.codes() == {"P1"}
    assert [row["id"] for row in line.quarantined()] == [second]
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
        operator.acting.replay(first, ANA)
    assert len(operator.audit()) == 1


def test_a_replayed_message_passes_the_switch_like_any_other(line: Pipeline, operator: Operator) -> None:
    [identity] = keep(line, 1)
    line.change("pause", domains=["stock"])
    operator.acting.replay(identity, ANA)
    take(line, 1)
    assert (line.codes(), line.quarantined()) == (set(), [])
    assert line.outcomes()["discarded"] == 1
    assert [(row["key"]["product_code"], row["version"]) for row in line.database.views.missed()] == [("P1", 1)]


def test_a_message_that_is_still_bad_comes_back_with_its_reason(line: Pipeline, operator: Operator) -> None:
    line.publish(stock_event(1, on_hand=12.5), b"{")
    take(line, 2)
    before = line.quarantined()
    done = operator.acting.replay_many(QuarantineFilter(), ANA, expected=2)
    assert (done.replayed, done.staying, done.left) == (2, 0, 0)
    take(line, 2)
    after = line.quarantined()
    assert [row["reason"] for row in after] == ["number_not_string", "malformed_json"]
    assert [bytes(row["body"]) for row in after] == [bytes(row["body"]) for row in before]
    assert {row["id"] for row in before}.isdisjoint(row["id"] for row in after)


def test_a_receipt_and_an_order_go_back_to_where_they_came_from(line: Pipeline, operator: Operator) -> None:
    line.publish(internalized("late"), key="main.receipts")
    line.publish(placed("late", currency="XXY"), key="main", exchange=ORDERS_IN)
    with line.order_hand() as hand:
        hand.drain(2)
        assert sorted(row["reason"] for row in line.quarantined()) == ["currency_unknown", "order_unknown"]
        line.publish(placed("late"), key="main", exchange=ORDERS_IN)
        hand.drain(1)
        done = operator.acting.replay_many(QuarantineFilter(reason="order_unknown"), ANA, expected=1)
        hand.drain(1)
        assert (done.replayed, line.orders()["main/late"]["erp_number"]) == (1, "77")
        assert operator.acting.replay_many(QuarantineFilter(domain="orders", shop="main"), ANA).replayed == 1
        hand.drain(1)
    assert [row["reason"] for row in line.quarantined()] == ["currency_unknown"]
    assert {(each.exchange, each.routing_key) for each in operator.published} == {
        ("erp.events", "main.receipts"),
        ("shop.orders", "main"),
    }


def test_what_was_delivered_too_often_goes_back_without_what_the_broker_wrote_on_it(
    line: Pipeline, operator: Operator
) -> None:
    deaths = {"x-first-death-queue": "comporta.stock", "x-first-death-reason": "delivery_limit", "x-delivery-count": 21}
    line.publish(stock_event(1), exchange=DEAD, headers={**deaths, "tenant": "7"})
    take(line, 1)
    assert operator.acting.replay_many(QuarantineFilter(reason="delivery_limit"), ANA).replayed == 1
    take(line, 1)
    assert (line.codes(), line.quarantined()) == ({"P1"}, [])
    assert not any(name.startswith(("x-first", "x-delivery")) for name in operator.published[0].headers)


@pytest.mark.parametrize(
    ("key", "properties", "why"),
    [
        ("MAIN.stock", {}, "names no shop"),
        ("main.stock", {"content_encoding": "gzip"}, "content encoding"),
        ("main", {"exchange": DEAD, "headers": {"x-first-death-queue": "erp.orders"}}, "not meant for Comporta"),
    ],
)
def test_what_can_t_be_replayed_is_refused_by_name_and_stays(
    line: Pipeline, operator: Operator, key: str, properties: dict[str, object], why: str
) -> None:
    line.publish(stock_event(1), key=key, **properties)
    take(line, 1)
    [identity] = [row["id"] for row in line.quarantined()]
    with pytest.raises(Conflict, match=f"{identity}.*{why}"):
        operator.acting.replay(identity, ANA)
    keep(line, 2)
    done = operator.acting.replay_many(QuarantineFilter(), ANA, expected=2)
    assert (done.replayed, done.staying, done.left) == (1, 1, 0)
    assert [(each.id, why in each.why) for each in done.refused] == [(identity, True)]
    assert [row["id"] for row in line.quarantined()] == [identity]
    assert [(act["count"], act["result"]) for act in operator.audit()] == [(0, "failed"), (1, "failed")]


def test_many_are_replayed_only_if_they_are_as_many_as_were_shown(line: Pipeline, operator: Operator) -> None:
    keep(line, *range(1, 251))
    assert operator.acting.count_quarantined(QuarantineFilter(shop="main")) == 250
    for act in (operator.acting.replay_many, operator.acting.drop_many):
        with pytest.raises(CountChanged) as changed:
            act(QuarantineFilter(shop="main"), ANA, expected=249)
        assert (changed.value.expected, changed.value.now) == (249, 250)
    assert operator.published == operator.audit() == []
    assert operator.acting.replay_many(QuarantineFilter(shop="main"), ANA, expected=250).replayed == 250
    assert [each.body for each in operator.published] == [stock_event(n, f"P{n}", unit="BAD") for n in range(1, 251)]
    take(line, 250)
    assert len(line.codes()) == 250
    assert [(act["action"], act["count"], act["result"]) for act in operator.audit()] == [("replay", 250, "done")]


def test_of_two_who_replay_the_same_message_one_does(line: Pipeline, operator: Operator) -> None:
    [identity] = keep(line, 1)
    holding, go = threading.Event(), threading.Event()

    def slow(messages: Sequence[OutgoingMessage]) -> list[PublishResult]:
        holding.set()
        assert go.wait(30)
        return list(operator.publisher.publish_all(messages))

    other = Operator(line)
    try:
        operator.acting._publish = slow
        first = threading.Thread(target=operator.acting.replay, args=(identity, ANA))
        first.start()
        assert holding.wait(30)
        with pytest.raises(Conflict, match="another replay"):
            other.acting.replay(identity, ANA)
        go.set()
        first.join(30)
    finally:
        other.close()
    take(line, 1)
    assert (other.published, line.quarantined(), line.outcomes()["applied"]) == ([], [], 1)
    assert line.waiting() == {}


class Killed(BaseException):
    """What ends a process, and no `except Exception` catches."""


def test_killed_between_confirm_and_removal_it_stays_and_a_second_replay_is_harmless(
    line: Pipeline, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    [identity] = keep(line, 1)

    def killed(*_: object) -> int:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("storage.quarantine.QuarantineStore.remove", killed)
        with pytest.raises(Killed):
            operator.acting.replay(identity, ANA)
    take(line, 1)
    assert (line.codes(), [row["id"] for row in line.quarantined()]) == ({"P1"}, [identity])
    with line.database.fence.shared() as connection:
        # Half a minute later.
        connection.execute(text("UPDATE quarantine SET lease_until = '2026-01-01T00:00:00.000000Z'"))
    operator.acting.replay(identity, ANA)
    take(line, 1)
    assert (line.quarantined(), line.outcomes()["applied"], line.outcomes()["superseded"]) == ([], 1, 1)


def test_a_copy_that_comes_back_after_a_crash_is_kept_though_the_replayer_removes_the_first(
    rabbit_line: Pipeline,
) -> None:
    line, operator = rabbit_line, Operator(rabbit_line)
    line.publish(stock_event(1, on_hand=12.5))
    take(line, 1)
    [identity] = [row["id"] for row in line.quarantined()]

    def crashing(messages: Sequence[OutgoingMessage]) -> list[PublishResult]:
        results = list(operator.publisher.publish_all(messages))
        with line.hand("stock") as dying:
            # Delivered to a worker that dies before it has settled it.
            dying.source.hold(1)
        with line.hand("stock") as hand:
            hand.drain(1)
        return results

    operator.acting._publish = crashing
    try:
        operator.acting.replay(identity, ANA)
    finally:
        operator.close()
    [row] = line.quarantined()
    assert (row["reason"], row["id"] != identity) == ("number_not_string", True)


@pytest.mark.parametrize("fate", [Fate.UNKNOWN, Fate.NACKED, Fate.RETURNED])
def test_what_the_broker_does_not_take_stays_and_may_be_tried_again_at_once(
    line: Pipeline, operator: Operator, fate: Fate
) -> None:
    first, *_ = keep(line, 1, 2)
    operator.acting._publish = lambda messages: [PublishResult(each, fate, "test") for each in messages]
    with pytest.raises(NotConfirmed if fate is Fate.UNKNOWN else Conflict):
        operator.acting.replay(first, ANA)
    done = operator.acting.replay_many(QuarantineFilter(), ANA)
    assert (done.replayed, done.staying + done.left, len(line.quarantined())) == (0, 2, 2)
    operator.acting._publish = operator.publish
    assert operator.acting.replay_many(QuarantineFilter(), ANA, expected=2).replayed == 2
    assert [act["result"] for act in operator.audit()] == ["failed", "failed", "done"]
    take(line, 2)


def test_what_is_dropped_is_gone_and_audited(line: Pipeline, operator: Operator) -> None:
    first, _, third = keep(line, 1, 2, 3)
    line.publish(b"{")
    take(line, 1)
    operator.acting.drop(first, ANA)
    with pytest.raises(NotFound, match=first):
        operator.acting.drop(first, ANA)
    assert operator.acting.drop_many(QuarantineFilter(ids=(third, "unknown")), ANA, expected=1) == 1
    assert operator.acting.drop_many(QuarantineFilter(reason="refused_by_database"), ANA, expected=1) == 1
    assert [row["reason"] for row in line.quarantined()] == ["malformed_json"]
    assert [(act["action"], act["count"], act["subject"]) for act in operator.audit()] == [
        ("drop", 1, first),
        ("drop", 1, "ids=2 given"),
        ("drop", 1, "reason=refused_by_database"),
    ]
    assert operator.published == []
