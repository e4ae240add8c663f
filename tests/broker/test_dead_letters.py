"""Dead letters get a second chance alone, or the quarantine with the broker's own reason."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import pytest

from schemas.topology import CONTROL, DEAD
from tests.support.order_events import internalized, placed
from tests.support.pipeline import Pipeline, SteppedWorker, stock_event
from tests.support.wait import wait_until


def died(queue: str, reason: str, key: str = "main.stock", **more: Any) -> dict[str, Any]:
    """Headers of a message that the broker has dead-lettered."""
    entry = {"queue": queue, "reason": reason, "exchange": "erp.events", "routing-keys": [key], "count": 1}
    return {"x-death": [entry], "x-first-death-queue": queue, "x-first-death-reason": reason, **more}


def take(pipeline: Pipeline, number: int) -> None:
    """Let a worker that has just started process so many dead letters."""
    with pipeline.stepped_dead_letters_worker() as worker:
        assert worker.drain(number) == [1] * number


@pytest.mark.parametrize(
    ("queue", "reason", "key", "row"),
    [
        ("comporta.stock", "expired", "main.stock", ("expired", "main", "stock")),
        ("comporta.orders", "expired", "main", ("expired", "main", "orders")),
        ("comporta.stock", "maxlen", "main.stock", ("queue_overflow", "main", "stock")),
        ("comporta.receipts", "rejected", "main.receipts", ("rejected", "main", "receipts")),
        ("erp.orders", "expired", "main", ("expired", "?", "erp.orders")),
        ("erp.orders", "delivery_limit", "main", ("delivery_limit", "?", "erp.orders")),
        ("elsewhere", "delivery_limit", "main.stock", ("delivery_limit", "?", "?")),
        ("comporta.stock", "expired", "comporta.stock", ("expired", "?", "stock")),
        ("comporta.stock", "delivery_limit", "MAIN.stock", ("routing_key", "?", "stock")),
    ],
)
def test_what_died_for_a_cause_is_quarantined_with_the_broker_s_reason(
    pipeline: Pipeline, queue: str, reason: str, key: str, row: tuple[str, str, str]
) -> None:
    pipeline.publish(stock_event(1), exchange=DEAD, key=key, headers=died(queue, reason, key))
    take(pipeline, 1)
    [kept] = pipeline.quarantined()
    assert (kept["reason"], kept["shop"], kept["domain"]) == row
    assert bytes(kept["body"]) == stock_event(1)
    assert (pipeline.rows(), pipeline.queue_depths()) == ([], {})


def test_a_control_message_that_expired_is_logged_and_is_no_row(
    pipeline: Pipeline, logs: list[MutableMapping[str, Any]]
) -> None:
    pipeline.publish(b'{"reason":"x"}', exchange=DEAD, key="pause", headers=died(CONTROL, "expired", "pause"))
    take(pipeline, 1)
    assert (pipeline.quarantined(), pipeline.queue_depths()) == ([], {})
    assert [entry["event"] for entry in logs if "control message expired" in entry["event"]]


def test_what_exceeded_the_limit_is_processed_as_if_from_its_own_queue(pipeline: Pipeline) -> None:
    pipeline.publish(stock_event(1), exchange=DEAD, headers=died("comporta.stock", "delivery_limit"))
    pipeline.publish(stock_event(1, "P2"), exchange=DEAD, headers={"x-first-death-queue": "comporta.stock"})
    pipeline.publish(stock_event(1, "P3"), exchange=DEAD)
    moved = died("comporta.stock", "delivery_limit")
    pipeline.publish(stock_event(1, "P4"), exchange=DEAD, key="by.a.policy", headers=moved)
    order = died("comporta.orders", "delivery_limit", "main")
    pipeline.publish(placed("o1"), exchange=DEAD, key="main", headers=order)
    receipt = died("comporta.receipts", "delivery_limit", "main.receipts")
    pipeline.publish(internalized("o1"), exchange=DEAD, key="main.receipts", headers=receipt)
    pipeline.publish(stock_event(1, on_hand=1), exchange=DEAD, headers=died("comporta.stock", "delivery_limit"))
    take(pipeline, 7)
    assert pipeline.product_codes() == {"P1", "P2", "P3", "P4"}
    assert pipeline.orders()["main/o1"]["state"] == "internalized"
    [kept] = pipeline.quarantined()
    assert (kept["reason"], kept["shop"], kept["domain"]) == ("number_not_string", "main", "stock")
    assert pipeline.queue_depths() == {}


def test_a_dead_letter_passes_the_switch_like_any_other(pipeline: Pipeline) -> None:
    pipeline.change("pause", domains=["stock"])
    pipeline.publish(stock_event(1), exchange=DEAD, headers=died("comporta.stock", "delivery_limit"))
    take(pipeline, 1)
    assert (pipeline.rows(), pipeline.outcomes()) == ([], {"discarded": 1})


class Ended(BaseException):
    """The end of a process, which no `except Exception` catches."""


def test_what_ends_ten_workers_while_alone_in_hand_is_quarantined_unread(
    rabbitmq_pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def poisonous(*_: object) -> None:
        nonlocal read
        read += 1
        raise Ended

    pipeline, read = rabbitmq_pipeline, 0
    pipeline.publish(stock_event(1), exchange=DEAD, headers=died("comporta.stock", "delivery_limit"))
    with monkeypatch.context() as patch:
        patch.setattr("consumers.dead_letters.decode", poisonous)
        for _ in range(10):
            with pytest.raises(Ended):
                take(pipeline, 1)
        take(pipeline, 1)
    [kept] = pipeline.quarantined()
    assert (read, kept["reason"], kept["shop"], kept["domain"]) == (10, "delivery_limit", "main", "stock")
    # Once the cause is gone the same message begins anew.
    pipeline.publish(stock_event(1), exchange=DEAD, headers=died("comporta.stock", "delivery_limit"))
    take(pipeline, 1)
    assert pipeline.product_codes() == {"P1"}


def test_twenty_five_restarts_with_good_messages_in_hand_quarantine_none(rabbitmq_pipeline: Pipeline) -> None:
    pipeline, codes = rabbitmq_pipeline, [f"P{number}" for number in range(50)]
    pipeline.publish(*(stock_event(1, code) for code in codes))
    for _ in range(25):
        with pipeline.stepped_worker("stock") as worker, pipeline.stepped_dead_letters_worker() as dead:
            wait_until(lambda w=worker, d=dead: _in_hand(pipeline, w, d) == 50, what="the fifty to be in hand or dead")
    with pipeline.stepped_worker("stock") as worker, pipeline.stepped_dead_letters_worker() as dead:

        def all_applied() -> bool:
            worker.step()
            dead.step()
            return pipeline.product_codes() == set(codes)

        wait_until(all_applied, what="all fifty to be applied")
    assert (pipeline.quarantined(), pipeline.queue_depths()) == ([], {})


def _in_hand(pipeline: Pipeline, *workers: SteppedWorker) -> int:
    for worker in workers:
        worker.source.keep_alive(0.005)
    return sum(len(worker.source._buffer) for worker in workers) + pipeline.queue_depth(DEAD)


def test_an_expiration_that_passes_while_no_worker_runs_is_told_as_expired(rabbitmq_pipeline: Pipeline) -> None:
    rabbitmq_pipeline.publish(stock_event(1), expiration=1)
    wait_until(lambda: rabbitmq_pipeline.queue_depth(DEAD) == 1, what="the broker to dead-letter it")
    take(rabbitmq_pipeline, 1)
    [kept] = rabbitmq_pipeline.quarantined()
    assert (kept["reason"], kept["shop"], kept["domain"]) == ("expired", "main", "stock")
